-- appointment_from_booking(company, booking ...): the local appointment of a provider's booking
--
-- The one way from a booking that the provider took to a row of appointments: for the
-- repairs of calls and of bookings missing here, and for webhook events. Looks for the
-- booking inside the company and nowhere else, by uid and by number. outcome says:
--
--     found      the one kept appointment that bears it; what was NULL there is completed
--                (uid, number, service, call, customer of the call), nothing is overwritten
--     created    there was none; this is it
--     review     a person decides, reason says why, and nothing was written; an
--                appointment that stands in the way is in appointment_id
--
-- The call may be unknown (NULL). One that is given makes the appointment its own, unless
-- another call has it or this call only changed it (decision D2). The call gets the
-- customer when it has none: method phone_match, 100.00, when the number is the
-- customer's, else appointment_link, also 100.00, because the booking that the call made
-- names this customer and no other. An outcome that denies the booking gives way to the
-- provider's word (decision D3). The call's flags and its link back are written by the
-- trigger appointments_sync_calls.
--
-- A new appointment needs a service whose event type is the booking's, one and inside
-- the company; its customer is the call's, else trueup.backfill_customer finds or
-- creates one, by the caller's number (of an outbound call the number called: the caller
-- was our own line), or the attendee's when no call is known.
--
-- A created appointment keeps the provider's status: accepted is confirmed, cancelled
-- and rejected stay cancelled. When no payload says when it was cancelled, cancelled_at
-- is the time of booking, and metadata.cancelled_at_estimated says so. created_at is when
-- the booking was made, as far as somebody knows: its age, not that of this row.
--
-- Locks: an advisory lock on the booking until the transaction ends, so that two sessions
-- do not create it twice; the call; then the appointment.

create or replace function trueup.appointment_from_booking(
    p_company_id bigint,
    p_booking_uid text,
    p_booking_number bigint,
    p_status text,
    p_starts_at timestamptz,
    p_ends_at timestamptz,
    p_event_type_id bigint,
    p_attendees jsonb,
    p_metadata jsonb,
    p_source text,
    p_sync_origin text,
    p_call_id bigint default null,
    p_booked_at timestamptz default null,
    p_cancelled_at timestamptz default null,
    out outcome text,
    out appointment_id bigint,
    out customer_id bigint,
    out reason text,
    out evidence jsonb
)
    returns record
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    v_call public.calls;
    v_found public.appointments;
    v_uid text := nullif(btrim(p_booking_uid), '');
    v_attendee jsonb := trueup.decoded(p_attendees) -> 0;
    v_metadata jsonb := trueup.decoded(p_metadata);
    v_kept_appointment_ids bigint[];
    v_deleted_appointment_ids bigint[];
    v_service_ids bigint[];
    v_direction text;
    v_status text;
    v_customer_found text;
    v_booked_at timestamptz := least(p_booked_at, now());
begin
    perform pg_advisory_xact_lock(hashtextextended(
        format('trueup.booking %s %s', p_company_id, coalesce(v_uid, p_booking_number::text)), 0
    ));
    if p_call_id is not null then
        select c.* into v_call
        from public.calls as c
        where c.id = p_call_id and c.company_id = p_company_id
        for no key update;
        v_direction := coalesce(
            trueup.vocabulary_value('direction', v_call.direction),
            trueup.direction_by_numbers(v_call.company_id, v_call.from_number, v_call.to_number)
        );
    end if;

    evidence := jsonb_strip_nulls(jsonb_build_object(
        'booking_uid', v_uid, 'booking_number', p_booking_number, 'provider_status', lower(p_status)
    ));

    -- its appointment, if there is one; locked, so that nobody links or deletes it meanwhile
    select
        array_agg(f.id order by f.id) filter (where f.deleted_at is null),
        array_agg(f.id order by f.id) filter (where f.deleted_at is not null)
    into v_kept_appointment_ids, v_deleted_appointment_ids
    from (
        select
            a.id,
            a.deleted_at
        from public.appointments as a
        where
            a.company_id = p_company_id
            and (a.calcom_booking_uid = v_uid or a.calcom_booking_id = p_booking_number)
        order by a.id
        for no key update
    ) as f;
    appointment_id := v_kept_appointment_ids[1];

    v_service_ids := array(
        select s.id
        from public.services as s
        where s.company_id = p_company_id and s.calcom_event_type_id = p_event_type_id
        order by s.id
    );

    if v_kept_appointment_ids is not null then
        select a.* into v_found from public.appointments as a where a.id = appointment_id;
        reason := case
            when p_call_id is not null and v_call.id is null then 'the call is not one of the company'
            when cardinality(v_kept_appointment_ids) > 1 then 'several appointments bear the booking'
            when v_found.call_id <> p_call_id then 'the appointment of this booking belongs to another call'
            when v_found.calcom_booking_uid <> v_uid
                then 'the appointment with this booking number bears another booking uid'
            when v_found.call_id = p_call_id then null
            else trueup.not_the_maker(p_call_id, v_found.id)
        end;
        if reason is not null then
            outcome := 'review';
            evidence := evidence || jsonb_strip_nulls(jsonb_build_object(
                'appointment_ids', v_kept_appointment_ids,
                'deleted_appointment_ids', v_deleted_appointment_ids,
                'call_id', v_found.call_id,
                'customer_id', v_found.customer_id
            ));
            return;
        end if;

        -- either side lends the other its customer, unless it was booked for somebody else
        if v_found.call_id is null and v_call.id is not null and v_found.metadata ->> 'booked_for' is null then
            customer_id := coalesce(v_call.customer_id, v_found.customer_id);
            v_customer_found := case when v_call.customer_id is null then 'appointment' else 'call' end;
        end if;
        if not exists (
            select 1
            from public.customers as k
            where k.id = customer_id and k.company_id = p_company_id and k.deleted_at is null
        ) then
            customer_id := null;
        end if;

        update public.appointments as a
        set
            call_id = coalesce(a.call_id, p_call_id),
            customer_id = coalesce(a.customer_id, appointment_from_booking.customer_id),
            service_id = coalesce(a.service_id, case when cardinality(v_service_ids) = 1 then v_service_ids[1] end),
            calcom_booking_uid = coalesce(a.calcom_booking_uid, v_uid),
            calcom_booking_id = coalesce(a.calcom_booking_id, p_booking_number)
        where
            a.id = v_found.id
            and (
                (a.call_id is null and p_call_id is not null)
                or (a.customer_id is null and appointment_from_booking.customer_id is not null)
                or (a.service_id is null and cardinality(v_service_ids) = 1)
                or (a.calcom_booking_uid is null and v_uid is not null)
                or (a.calcom_booking_id is null and p_booking_number is not null)
            );
        outcome := 'found';
    else
        -- how providers say it, in their lists and in their events
        v_status := case lower(p_status)
            when 'accepted' then 'confirmed'
            when 'pending' then 'pending'
            when 'cancelled' then 'cancelled'
            when 'rejected' then 'cancelled'
        end;
        reason := case
            when p_call_id is not null and v_call.id is null then 'the call is not one of the company'
            when v_deleted_appointment_ids is not null then 'the appointment of this booking was deleted'
            when v_uid is null and p_booking_number is null then 'the booking has neither uid nor number'
            when p_starts_at is null or p_ends_at is null then 'the booking has no readable start and end'
            when p_ends_at <= p_starts_at then 'the booking ends before it starts'
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
                        and k.company_id = p_company_id
                        and k.deleted_at is null
                )
                then 'the customer of the call is deleted, or not one of the company'
        end;
        if reason is null and v_call.customer_id is not null then
            customer_id := v_call.customer_id;
            v_customer_found := 'call';
        elsif reason is null then
            select bc.customer_id, bc.how, bc.reason
            into customer_id, v_customer_found, reason
            from trueup.backfill_customer(
                p_company_id,
                v_call.id,
                case
                    when v_direction = 'outbound' then v_call.to_number
                    when v_call.id is not null then v_call.from_number
                    else trueup.string_or_null(v_attendee -> 'phoneNumber')
                end,
                trueup.string_or_null(v_attendee -> 'email'),
                coalesce(trueup.string_or_null(v_attendee -> 'name'), v_call.customer_name)
            ) as bc;
        end if;
        if reason is not null then
            outcome := 'review';
            evidence := evidence || jsonb_strip_nulls(jsonb_build_object(
                'deleted_appointment_ids', v_deleted_appointment_ids,
                'event_type_id', p_event_type_id,
                'service_ids', nullif(v_service_ids, '{}'),
                'customer_id', v_call.customer_id
            ));
            return;
        end if;

        insert into public.appointments as a (
            company_id, branch_id, customer_id, service_id, call_id, starts_at, ends_at, status, source,
            sync_origin, calcom_booking_id, calcom_booking_uid, calcom_sync_status, cancelled_at, metadata,
            created_at
        )
        values (
            p_company_id,
            (
                select b.id
                from public.branches as b
                where b.id = v_call.branch_id and b.company_id = p_company_id
            ),
            customer_id,
            v_service_ids[1],
            v_call.id,
            p_starts_at,
            p_ends_at,
            v_status,
            p_source,
            p_sync_origin,
            p_booking_number,
            v_uid,
            'synced',
            case when v_status = 'cancelled' then coalesce(p_cancelled_at, v_booked_at, now()) end,
            case when jsonb_typeof(v_metadata) = 'object' then v_metadata else '{}' end
            || case
                when v_status = 'cancelled' and p_cancelled_at is null then '{"cancelled_at_estimated": true}'
                else '{}'
            end::jsonb,
            coalesce(v_booked_at, now())
        )
        returning a.* into v_found;
        outcome := 'created';
        appointment_id := v_found.id;
        evidence := evidence || jsonb_build_object('service_id', v_found.service_id);
    end if;

    evidence := evidence || jsonb_strip_nulls(jsonb_build_object(
        'deleted_appointment_ids', v_deleted_appointment_ids,
        'appointment_id', appointment_id,
        'found_by', case
            when outcome = 'found' then case when v_found.calcom_booking_uid = v_uid then 'uid' else 'number' end
        end,
        'customer_id', customer_id,
        'customer_found', case when customer_id is not null then v_customer_found end
    )) || trueup.unreachable_customer(appointment_id);
    if v_call.id is null or (outcome = 'found' and v_found.call_id = v_call.id) then
        return;
    end if;

    -- the provider's word is above what a transcript or an earlier error said
    update public.calls as c
    set
        customer_id = coalesce(c.customer_id, k.id),
        customer_link_status = case
            when c.customer_id is not null or k.id is null then c.customer_link_status
            when meant.customer_link_status = 'pending_review' then 'pending_review'
            else 'linked'
        end,
        customer_link_method = case
            when c.customer_id is not null or k.id is null then c.customer_link_method
            when
                trueup.phone_matches(
                    c.company_id, v_direction, c.from_number, c.to_number, k.company_id, k.phone_normalized
                )
                then 'phone_match'
            else 'appointment_link'
        end,
        customer_link_confidence = case
            when c.customer_id is not null or k.id is null then c.customer_link_confidence
            else 100.00
        end,
        customer_linked_at = case
            when c.customer_id is not null or k.id is null then c.customer_linked_at
            else now()
        end,
        session_outcome = case
            when meant.session_outcome in ('appointment_rescheduled', 'appointment_cancelled')
                then meant.session_outcome
            else 'appointment_booked'
        end,
        booking_failed = false,
        booking_failure_reason = null
    from (values (appointment_from_booking.customer_id)) as whose (id)
    left join public.customers as k on whose.id = k.id
    -- how it is spelled does not matter
    cross join lateral (
        values (
            trueup.vocabulary_value('customer_link_status', v_call.customer_link_status),
            trueup.vocabulary_value('session_outcome', v_call.session_outcome)
        )
    ) as meant (customer_link_status, session_outcome)
    where
        c.id = v_call.id
        and (
            (c.customer_id is null and k.id is not null)
            or c.session_outcome is null
            or c.session_outcome not in ('appointment_booked', 'appointment_rescheduled', 'appointment_cancelled')
            or c.booking_failed
            or c.booking_failure_reason is not null
        );
end;
$$;
