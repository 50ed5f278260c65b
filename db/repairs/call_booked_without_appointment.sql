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
-- that is no service of the company, a status we do not know, several customers.
--
-- A created appointment keeps the provider's status: accepted is confirmed, cancelled
-- and rejected stay cancelled. No payload says when it was cancelled, so cancelled_at is
-- the time of booking, and metadata.cancelled_at_estimated says so. created_at is when the
-- application stored the booking: the age of the booking, not of this repair.
--
-- The call gets the customer when it has none: method phone_match, 100.00, when the
-- number is the customer's, else appointment_link, also 100.00, because the booking that
-- the call made names this customer and no other. An outcome that denies the booking
-- gives way to the provider's word (decision D3). The call's flags and its link back are
-- written by the trigger appointments_sync_calls.

create or replace function trueup.repair_call_booked_without_appointment(p_call_id bigint)
    returns trueup.repair_outcome
    language plpgsql
    set search_path = ''
as $$
declare
    v_call public.calls;
    v_proof trueup.booking_proofs;
    v_found public.appointments;
    v_uids text[];
    v_numbers bigint[];
    v_kept_ids bigint[];
    v_deleted_ids bigint[];
    v_service_ids bigint[];
    v_status text;
    v_booked_at timestamptz;
    v_customer_id bigint;
    v_customer_found text;
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
    v_uids := array_remove(array[v_proof.booking_uid, v_call.booking_id], null);
    v_numbers := array_remove(array[v_proof.booking_number, trueup.bigint_or_null(v_call.booking_id)], null);
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
    end;
    if v_reason is not null then
        return ('review', v_reason, v_evidence)::trueup.repair_outcome;
    end if;

    -- its appointment, if there is one; locked, so that nobody links or deletes it meanwhile
    select
        array_agg(f.id order by f.id) filter (where f.deleted_at is null),
        array_agg(f.id order by f.id) filter (where f.deleted_at is not null)
    into v_kept_ids, v_deleted_ids
    from (
        select
            a.id,
            a.deleted_at
        from public.appointments as a
        where
            a.company_id = v_call.company_id
            and (a.calcom_booking_uid = any(v_uids) or a.calcom_booking_id = any(v_numbers))
        order by a.id
        for no key update
    ) as f;

    v_evidence := v_evidence || jsonb_strip_nulls(jsonb_build_object(
        'appointment_ids', v_kept_ids, 'deleted_appointment_ids', v_deleted_ids
    ));
    if cardinality(v_kept_ids) > 1 then
        return ('review', 'several appointments bear the booking', v_evidence)::trueup.repair_outcome;
    end if;

    if v_kept_ids is not null then
        select a.* into v_found from public.appointments as a where a.id = v_kept_ids[1];
        v_reason := case
            when v_found.call_id is not null then 'the appointment of this booking belongs to another call'
            when v_found.calcom_booking_uid <> all(v_uids) and v_proof.booking_uid is not null
                then 'the appointment with this booking number bears another booking uid'
            when
                exists (
                    select 1
                    from public.appointment_modifications as am
                    where am.call_id = p_call_id and am.appointment_id = v_found.id
                )
                or (
                    v_call.session_outcome in ('appointment_rescheduled', 'appointment_cancelled')
                    and v_found.created_at < v_call.started_at
                )
                then 'the call changed the appointment of this booking and did not make it'
            when v_found.customer_id <> v_call.customer_id and v_found.metadata ->> 'booked_for' is null
                then 'the appointment of this booking is for another customer than the call'
        end;
        if v_reason is not null then
            return (
                'review',
                v_reason,
                v_evidence || jsonb_strip_nulls(jsonb_build_object(
                    'call_id', v_found.call_id, 'customer_id', v_found.customer_id
                ))
            )::trueup.repair_outcome;
        end if;

        -- either side lends the other its customer, unless it was booked for somebody else
        if v_found.metadata ->> 'booked_for' is null then
            v_customer_id := coalesce(v_call.customer_id, v_found.customer_id);
            v_customer_found := case when v_call.customer_id is null then 'appointment' else 'call' end;
        end if;
        if not exists (
            select 1
            from public.customers as k
            where k.id = v_customer_id and k.company_id = v_call.company_id and k.deleted_at is null
        ) then
            v_customer_id := null;
        end if;

        update public.appointments as a
        set
            call_id = p_call_id,
            customer_id = coalesce(a.customer_id, v_customer_id)
        where a.id = v_found.id;
        v_reason := case
            when v_found.calcom_booking_uid = any(v_uids) then 'linked by booking uid'
            else 'linked by booking number'
        end;
    else
        v_status := case v_proof.provider_status
            when 'accepted' then 'confirmed'
            when 'pending' then 'pending'
            when 'cancelled' then 'cancelled'
            when 'rejected' then 'cancelled'
        end;
        v_service_ids := array(
            select s.id
            from public.services as s
            where s.company_id = v_call.company_id and s.calcom_event_type_id = v_proof.event_type_id
            order by s.id
        );
        v_reason := case
            when v_deleted_ids is not null then 'the appointment of this booking was deleted'
            when v_proof.call_id is null
                then 'no appointment bears the booking, and booking_details proves none'
            when v_proof.starts_at is null or v_proof.ends_at is null
                then 'the booking has no readable start and end'
            when v_proof.ends_at <= v_proof.starts_at then 'the booking ends before it starts'
            when v_status is null then 'the booking has a status we do not know'
            when v_service_ids = '{}' then 'the event type of the booking is no service of the company'
            when cardinality(v_service_ids) > 1 then 'several services have the event type of the booking'
            when
                v_call.customer_id is not null
                and not exists (
                    select 1
                    from public.customers as k
                    where
                        k.id = v_call.customer_id
                        and k.company_id = v_call.company_id
                        and k.deleted_at is null
                )
                then 'the customer of the call is deleted, or not one of the company'
        end;
        if v_reason is null and v_call.customer_id is not null then
            v_customer_id := v_call.customer_id;
            v_customer_found := 'call';
        elsif v_reason is null then
            select bc.customer_id, bc.how, bc.reason
            into v_customer_id, v_customer_found, v_reason
            from trueup.backfill_customer(
                v_call.company_id,
                p_call_id,
                v_call.from_number,
                v_proof.attendee_email,
                coalesce(v_proof.attendee_name, v_call.customer_name)
            ) as bc;
        end if;
        if v_reason is not null then
            return (
                'review',
                v_reason,
                v_evidence || jsonb_strip_nulls(jsonb_build_object(
                    'event_type_id', v_proof.event_type_id,
                    'service_ids', nullif(v_service_ids, '{}'),
                    'customer_id', v_call.customer_id
                ))
            )::trueup.repair_outcome;
        end if;

        v_booked_at := least(
            coalesce(v_proof.confirmed_at, v_call.ended_at, v_call.started_at, v_call.created_at), now()
        );
        insert into public.appointments as a (
            company_id, branch_id, customer_id, service_id, call_id, starts_at, ends_at, status, source,
            sync_origin, calcom_booking_id, calcom_booking_uid, calcom_sync_status, cancelled_at, metadata,
            created_at
        )
        values (
            v_call.company_id,
            (
                select b.id
                from public.branches as b
                where b.id = v_call.branch_id and b.company_id = v_call.company_id
            ),
            v_customer_id,
            v_service_ids[1],
            p_call_id,
            v_proof.starts_at,
            v_proof.ends_at,
            v_status,
            'backfill',
            'system',
            v_proof.booking_number,
            v_proof.booking_uid,
            'synced',
            case when v_status = 'cancelled' then v_booked_at end,
            case when v_status = 'cancelled' then '{"cancelled_at_estimated": true}' else '{}' end::jsonb,
            v_booked_at
        )
        returning a.* into v_found;
        v_evidence := v_evidence || jsonb_build_object('service_id', v_found.service_id);
        v_reason := 'created from the provider booking';
    end if;

    update public.calls as c
    set
        customer_id = k.id,
        customer_link_status = case
            when c.customer_link_status = 'pending_review' then 'pending_review'
            else 'linked'
        end,
        customer_link_method = case
            when k.phone_normalized = trueup.plain_phone(c.from_number) then 'phone_match'
            else 'appointment_link'
        end,
        customer_link_confidence = 100.00,
        customer_linked_at = now()
    from public.customers as k
    where c.id = p_call_id and c.customer_id is null and k.id = v_customer_id;

    -- the provider's word is above what a transcript or an earlier error said
    update public.calls as c
    set
        session_outcome = case
            when c.session_outcome in ('appointment_rescheduled', 'appointment_cancelled')
                then c.session_outcome
            else 'appointment_booked'
        end,
        booking_failed = false,
        booking_failure_reason = null
    where c.id = p_call_id;

    return (
        'corrected',
        v_reason,
        v_evidence - 'appointment_ids' || jsonb_strip_nulls(jsonb_build_object(
            'appointment_id', v_found.id,
            'customer_id', v_customer_id,
            'customer_found', case when v_customer_id is not null then v_customer_found end
        ))
    )::trueup.repair_outcome;
end;
$$;
