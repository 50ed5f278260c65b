-- link_booking(call): give a call the appointment that its booking uid proves
--
-- What the repairs of call_made_without_appointment, call_outcome_without_appointment
-- and call_linked_without_appointment have in common. The uid is calls.booking_id, else
-- that of the proof in booking_details; two that differ prove nothing. Only the one free
-- appointment that bears it is evidence, unless this call did not make it (not_the_maker).
-- Anything less is a person's decision, because clearing a flag would destroy the only
-- trace of a booking that may exist at the provider.
--
-- Writes the appointment: appointments_sync_calls completes the call, all but an outcome that
-- denies the booking (trueup.proven_outcome).

create or replace function trueup.link_booking(p_call_id bigint)
    returns trueup.repair_outcome
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    v_call public.calls;
    v_proof trueup.booking_proofs;
    v_booking_uid text;
    v_appointment_ids bigint[];
    v_evidence jsonb;
    v_reason text;
begin
    select c.* into v_call from public.calls as c where c.id = p_call_id for no key update;
    select bp.* into v_proof from trueup.booking_proofs as bp where bp.call_id = p_call_id;

    -- booking_id may hold the provider's number of the booking instead of its uid
    v_booking_uid := nullif(btrim(v_call.booking_id), '');
    if v_booking_uid is null or v_booking_uid = v_proof.booking_number::text then
        v_booking_uid := coalesce(v_proof.booking_uid, v_booking_uid);
    end if;

    v_appointment_ids := trueup.appointment_of_booking(v_call.company_id, v_booking_uid);
    v_evidence := jsonb_strip_nulls(jsonb_build_object(
        'booking_uid', v_booking_uid,
        'proven_uid', v_proof.booking_uid,
        'appointment_ids', v_appointment_ids
    ));

    v_reason := case
        when v_booking_uid is null then 'the call bears no booking uid'
        when v_booking_uid <> v_proof.booking_uid
            then 'booking_id and booking_details name different bookings'
        when v_appointment_ids is null then 'no appointment without a call bears the booking uid'
        when cardinality(v_appointment_ids) > 1 then 'several appointments bear the booking uid'
        else trueup.not_the_maker(p_call_id, v_appointment_ids[1])
    end;
    if v_reason is not null then
        return ('review', v_reason, v_evidence)::trueup.repair_outcome;
    end if;

    -- the condition once more: the row may have been taken since it was read
    update public.appointments as a
    set call_id = p_call_id
    where a.id = v_appointment_ids[1] and a.call_id is null and a.deleted_at is null;

    if not found then
        return ('review', 'the appointment was taken meanwhile', v_evidence)::trueup.repair_outcome;
    end if;

    update public.calls as c
    set session_outcome = trueup.proven_outcome(c.session_outcome)
    where c.id = p_call_id and c.session_outcome <> trueup.proven_outcome(c.session_outcome);

    return ('corrected', 'linked by booking uid', v_evidence)::trueup.repair_outcome;
end;
$$;
