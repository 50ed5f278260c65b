-- book_appointment(company, start, ...): write an appointment and what its call says of it
--
-- One transaction, the appointment first: appointments_sync_calls then completes the call, and
-- with a booking uid the call is confirmed. Without an end the service's duration tells it.
-- Who names a call books as the phone agent (source retell), else source is api.
--
-- A request that was carried out before returns the same appointment with replayed = true,
-- however often and by however many sessions at once it is sent. The same request is
--     the same idempotency key: company, service, staff, customer or call, and start, for the
--     same person (booked_for; a blank one is nobody, and not stored);
--     the same call, service, staff and start, when the customer became known in between;
--     the same booking uid, when the provider's event was quicker than this call.
-- What the appointment lacks and the request has (booking uid and number, call) is added. The
-- same request with another end or another uid is refused (TU202).
--
-- The key is that of the first generation that nothing but the same request bears: a booking
-- that was cancelled or deleted leaves its own behind. An appointment that was moved keeps its
-- key: the call that booked it and asks again is given the moved one, anybody else books anew.
--
-- Refused, and then nothing is written: a row the company does not have (TU200), the same
-- service for the same customer within duplicate_appointment_window (TU203), staff who are
-- taken (23P01, as appointments_staff_id_excl says it), times that make no sense (TU205), a
-- customer who is not the call's unless booked_for says for whom the call booked (TU205).
-- Times in the past or beyond booking_horizon are refused of the phone agent only. That, and
-- the other customer, is let pass when the provider has taken the booking: then it exists, and
-- the checks report it.
--
-- Locks first and reads then, in two statements: call, customer, staff (lock_participants). So
-- of many sessions that want one slot all but one wait and are told. A row written past this
-- function may still meet it in the unique and exclusion constraints (23505, 23P01, and 40P01
-- when both insert at once); repeat the call then.
--
-- Call it at read committed: a snapshot from before the locks hides what was committed since.
-- Then the call row (40001) and the constraints still refuse a second booking, but
-- near-duplicates pass.

create or replace function trueup.book_appointment(
    p_company_id bigint,
    p_starts_at timestamptz,
    p_ends_at timestamptz default null,
    p_service_id bigint default null,
    p_staff_id bigint default null,
    p_customer_id bigint default null,
    p_call_id bigint default null,
    p_branch_id bigint default null,
    p_booking_uid text default null,
    p_booking_number bigint default null,
    p_booked_for text default null,
    p_status text default 'confirmed',
    p_source text default null,
    p_sync_origin text default null,
    p_notes text default null,
    p_metadata jsonb default '{}'
)
    returns table (
        appointment_id bigint,
        replayed boolean,
        idempotency_key uuid,
        call_id bigint,
        starts_at timestamptz,
        ends_at timestamptz,
        status text
    )
    language plpgsql
    security definer
    set search_path = pg_catalog, pg_temp
as $$
declare
    v_source text := coalesce(p_source, case when p_call_id is null then 'api' else 'retell' end);
    v_booking_uid text := nullif(btrim(p_booking_uid), '');
    v_metadata jsonb := coalesce(trueup.decoded(p_metadata), '{}');
    v_booked_for text := coalesce(nullif(btrim(p_booked_for), ''), nullif(btrim(v_metadata ->> 'booked_for'), ''));
    v_customer_id bigint := p_customer_id;
    v_call_customer_id bigint;
    v_ends_at timestamptz := p_ends_at;
    v_generation integer := 0;
    v_key uuid;
    v_appointment trueup.live_appointments;
    v_other trueup.kept_appointments;
    v_replayed boolean;
    v_written_appointment_id bigint;
begin
    if p_company_id is null then
        raise exception 'an appointment belongs to a company, and none is given'
            using errcode = 'TU205', hint = 'No company is assumed.';
    end if;
    if p_starts_at is null or not isfinite(p_starts_at) or not isfinite(coalesce(p_ends_at, p_starts_at)) then
        raise exception 'an appointment starts and ends at an instant' using errcode = 'TU205';
    end if;
    if jsonb_typeof(v_metadata) <> 'object' then
        raise exception 'metadata is an object, not %', jsonb_typeof(v_metadata) using errcode = 'TU205';
    end if;

    -- the lock, the customer that the call has by now, the other locks
    if p_call_id is not null then
        perform trueup.lock_participants(p_company_id, p_call_id, null, null);
        select c.customer_id into v_call_customer_id from public.calls as c where c.id = p_call_id;
        v_customer_id := coalesce(p_customer_id, v_call_customer_id);
    end if;
    perform trueup.lock_participants(p_company_id, null, v_customer_id, p_staff_id);

    if v_ends_at is null then
        select p_starts_at + s.duration_minutes * interval '1 minute' into v_ends_at
        from public.services as s
        where s.id = p_service_id and s.company_id = p_company_id;
        if p_service_id is null then
            raise exception 'an appointment has an end, or a service that tells it' using errcode = 'TU205';
        elsif not found then
            perform trueup.refuse_unknown('service', p_service_id, p_company_id);
        end if;
    elsif
        p_service_id is not null
        and not exists (
            select 1 from public.services as s where s.id = p_service_id and s.company_id = p_company_id
        )
    then
        perform trueup.refuse_unknown('service', p_service_id, p_company_id);
    end if;
    if
        p_branch_id is not null
        and not exists (
            select 1 from public.branches as b where b.id = p_branch_id and b.company_id = p_company_id
        )
    then
        perform trueup.refuse_unknown('branch', p_branch_id, p_company_id);
    end if;
    if v_ends_at <= p_starts_at then
        raise exception 'an appointment ends after it starts'
            using errcode = 'TU205', detail = format('From %s to %s.', p_starts_at, v_ends_at);
    end if;

    loop
        v_key := trueup.idempotency_key(
            p_company_id, p_service_id, p_staff_id, v_customer_id, p_call_id, p_starts_at, v_generation
        );
        if v_generation = 0 and coalesce(p_call_id, v_customer_id, p_staff_id) is null then
            -- it names nobody who could be locked
            perform pg_advisory_xact_lock(hashtextextended('trueup.book_appointment ' || v_key, 0));
        end if;

        select la.* into v_appointment
        from trueup.live_appointments as la
        where la.company_id = p_company_id and la.idempotency_key = v_key;
        exit when
            v_appointment.metadata ->> 'booked_for' is not distinct from v_booked_for
            and (v_appointment.starts_at = p_starts_at or v_appointment.call_id = p_call_id);
        exit when
            v_appointment.id is null
            and not exists (
                select 1
                from public.appointments as a
                where
                    a.company_id = p_company_id
                    and a.idempotency_key = v_key
                    and (a.deleted_at is not null or a.status = 'cancelled')
            );
        v_generation := v_generation + 1;
    end loop;

    if v_appointment.id is null and p_call_id is not null then
        select la.* into v_appointment
        from trueup.live_appointments as la
        where
            la.call_id = p_call_id
            and la.company_id = p_company_id
            and la.starts_at = p_starts_at
            and la.service_id is not distinct from p_service_id
            and la.staff_id is not distinct from p_staff_id
            and (la.customer_id = v_customer_id or la.customer_id is null or v_customer_id is null)
            and la.metadata ->> 'booked_for' is not distinct from v_booked_for
        order by la.id
        limit 1;
    end if;

    if v_booking_uid is not null and v_booking_uid is distinct from v_appointment.calcom_booking_uid then
        select ka.* into v_other
        from trueup.kept_appointments as ka
        where ka.company_id = p_company_id and ka.calcom_booking_uid = v_booking_uid;
        if
            v_appointment.id is null
            and v_other.status <> 'cancelled'
            and v_other.starts_at = p_starts_at
            and (v_other.staff_id = p_staff_id or v_other.staff_id is null or p_staff_id is null)
            and (v_other.customer_id = v_customer_id or v_other.customer_id is null or v_customer_id is null)
        then
            select la.* into v_appointment from trueup.live_appointments as la where la.id = v_other.id;
        elsif v_other.id is not null then
            raise exception 'booking % stands for appointment %', v_booking_uid, v_other.id
                using
                    errcode = 'TU202',
                    detail = format(
                        'It is %s, from %s to %s.', v_other.status, v_other.starts_at, v_other.ends_at
                    ),
                    hint = 'One booking of the provider is one appointment. Reschedule that one, or send the uid of this one.';
        end if;
    end if;

    v_replayed := v_appointment.id is not null;
    if v_replayed and v_appointment.starts_at = p_starts_at then
        if v_appointment.ends_at <> p_ends_at or v_appointment.calcom_booking_uid <> v_booking_uid then
            raise exception 'appointment % was booked with other parameters', v_appointment.id
                using
                    errcode = 'TU202',
                    detail = format(
                        'It ends at %s, under booking uid %s.',
                        v_appointment.ends_at, coalesce(v_appointment.calcom_booking_uid, 'NULL')
                    ),
                    hint = 'Send the parameters of the first time, or reschedule it.';
        end if;
        if
            (v_booking_uid is not null and v_appointment.calcom_booking_uid is null)
            or (p_call_id is not null and v_appointment.call_id is null)
        then
            update public.appointments as a
            set
                calcom_booking_uid = coalesce(a.calcom_booking_uid, v_booking_uid),
                calcom_booking_id = coalesce(a.calcom_booking_id, p_booking_number),
                calcom_sync_status = case when v_booking_uid is null then a.calcom_sync_status else 'synced' end,
                call_id = coalesce(a.call_id, p_call_id),
                updated_at = now()
            where a.id = v_appointment.id
            returning a.id into v_written_appointment_id;
        end if;
    end if;

    if not v_replayed then
        if v_call_customer_id <> v_customer_id and v_booked_for is null and v_booking_uid is null then
            raise exception 'call % is of customer %, not %', p_call_id, v_call_customer_id, v_customer_id
                using errcode = 'TU205', hint = 'Say whom the call books for (booked_for), or leave the customer out.';
        end if;
        if v_source = 'retell' and v_booking_uid is null then
            if p_starts_at < now() then
                raise exception 'the phone agent books ahead, and % is past', p_starts_at
                    using errcode = 'TU205', hint = 'Enter what has already taken place with source manual or api.';
            elsif p_starts_at > now() + trueup.setting('booking_horizon')::interval then
                raise exception 'the phone agent books no further ahead than %', trueup.setting('booking_horizon')
                    using errcode = 'TU205', detail = format('The start is %s.', p_starts_at);
            end if;
        end if;
        perform trueup.refuse_conflict(
            p_company_id, null, v_customer_id, p_service_id, p_staff_id, v_booked_for, p_starts_at, v_ends_at
        );

        insert into public.appointments as a (
            company_id, branch_id, customer_id, service_id, staff_id, call_id, starts_at, ends_at, status, source,
            sync_origin, calcom_booking_id, calcom_booking_uid, calcom_sync_status, idempotency_key, notes, metadata
        )
        values (
            p_company_id, p_branch_id, v_customer_id, p_service_id, p_staff_id, p_call_id, p_starts_at, v_ends_at,
            p_status, v_source, p_sync_origin, p_booking_number, v_booking_uid,
            case when v_booking_uid is not null then 'synced' end, v_key, p_notes,
            case
                when v_booked_for is null then v_metadata - 'booked_for'
                else v_metadata || jsonb_build_object('booked_for', v_booked_for)
            end
        )
        returning a.id into v_written_appointment_id;
    end if;

    if v_written_appointment_id is not null then
        select la.* into v_appointment from trueup.live_appointments as la where la.id = v_written_appointment_id;
        if not found then -- the fill knows every spelling of the word
            raise exception 'an appointment is not booked as cancelled' using errcode = 'TU205';
        end if;
    end if;

    if v_booking_uid is not null and v_appointment.call_id = p_call_id then
        update public.calls as c
        set
            booking_confirmed = true,
            booking_id = case when v_replayed then coalesce(c.booking_id, v_booking_uid) else v_booking_uid end
        where
            c.id = p_call_id
            and (not c.booking_confirmed or c.booking_id is null or not v_replayed);
    end if;

    return query
    select
        v_appointment.id, v_replayed, v_appointment.idempotency_key, v_appointment.call_id,
        v_appointment.starts_at, v_appointment.ends_at, v_appointment.status;
end;
$$;
