-- call_booked_without_appointment: repair (the backfill)
--
-- The appointment may exist: the one kept appointment of the company that bears the
-- booking's uid or number, and belongs to no call, is linked. It does not exist: it is
-- created from the provider's booking in booking_details. Evidence is the uid in
-- booking_id and the proof in trueup.booking_proofs; nothing else.
--
-- A person decides when the evidence is short or contradicts itself: no proof, several
-- appointments, one that was deleted (somebody wanted it gone), one of another call or
-- customer, one that this call changed and did not make (decision D2), an event type
-- that is no service of the company, a status we do not know, several customers. So does
-- it when there is no appointment and the outcome says that the call moved or cancelled
-- one: what moved comes under a new uid, and would be created a second time.
--
-- Finding, linking and creating is what trueup.appointment_from_booking does, for this
-- repair as for events of the provider; here is which booking the call means. created_at
-- is when the application stored the booking: its age, not that of this repair.

create or replace function trueup.repair_call_booked_without_appointment(p_call_id bigint)
    returns trueup.repair_outcome
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    v_call public.calls;
    v_proof trueup.booking_proofs;
    v_made record;
    v_number bigint;
    v_reason text;
    v_evidence jsonb;
begin
    select c.* into v_call from public.calls as c where c.id = p_call_id for no key update;
    if not exists (
        select 1 from trueup.call_booked_without_appointment as v where v.entity_id = p_call_id
    ) then
        return ('review', 'the call has its appointment', null)::trueup.repair_outcome;
    end if;

    -- which booking: what the call says and what the payload proves must be one
    select bp.* into v_proof from trueup.booking_proofs as bp where bp.call_id = p_call_id;
    v_call.booking_id := nullif(btrim(v_call.booking_id), '');
    v_number := coalesce(v_proof.booking_number, trueup.bigint_or_null(v_call.booking_id));
    v_evidence := jsonb_strip_nulls(jsonb_build_object(
        'booking_id', v_call.booking_id,
        'booking_uid', v_proof.booking_uid,
        'booking_number', v_proof.booking_number,
        'provider_status', v_proof.provider_status
    ));

    v_reason := case
        when v_call.company_id is null then 'the call has no company'
        when v_proof.call_id is null and v_call.booking_id is null then 'nothing proves a booking'
        when
            v_proof.call_id is not null
            and v_call.booking_id is distinct from v_proof.booking_uid
            and v_call.booking_id is distinct from v_proof.booking_number::text
            and v_call.booking_id is not null
            then 'booking_id and booking_details name different bookings'
        when
            trueup.vocabulary_value('session_outcome', v_call.session_outcome)
            in ('appointment_rescheduled', 'appointment_cancelled')
            and not exists (
                select 1
                from public.appointments as a
                where
                    a.company_id = v_call.company_id
                    and (
                        a.calcom_booking_uid = coalesce(v_proof.booking_uid, v_call.booking_id)
                        or a.calcom_booking_id = v_number
                    )
            )
            then 'no appointment bears the booking, and the call moved or cancelled one'
    end;
    if v_reason is not null then
        return ('review', v_reason, v_evidence)::trueup.repair_outcome;
    end if;

    select ab.* into v_made
    from trueup.appointment_from_booking(
        p_company_id => v_call.company_id,
        p_booking_uid => coalesce(v_proof.booking_uid, nullif(v_call.booking_id, v_number::text)),
        p_booking_number => v_number,
        p_status => v_proof.provider_status,
        p_starts_at => v_proof.starts_at,
        p_ends_at => v_proof.ends_at,
        p_event_type_id => v_proof.event_type_id,
        p_attendees => jsonb_build_array(jsonb_build_object(
            'name', v_proof.attendee_name, 'email', v_proof.attendee_email
        )),
        p_metadata => null,
        p_source => 'backfill',
        p_sync_origin => 'system',
        p_call_id => p_call_id,
        p_booked_at => coalesce(v_proof.confirmed_at, v_call.ended_at, v_call.started_at, v_call.created_at)
    ) as ab;
    v_evidence := v_evidence || v_made.evidence;

    if v_made.outcome = 'review' then
        return (
            'review',
            case
                when
                    v_proof.call_id is null
                    and v_made.appointment_id is null
                    and not v_evidence ? 'deleted_appointment_ids'
                    then 'no appointment bears the booking, and booking_details proves none'
                else v_made.reason
            end,
            v_evidence
        )::trueup.repair_outcome;
    end if;

    return (
        'corrected',
        case
            when v_made.outcome = 'created' then 'created from the provider booking'
            else 'linked by booking ' || (v_evidence ->> 'found_by')
        end,
        v_evidence - 'found_by'
    )::trueup.repair_outcome;
end;
$$;
