-- reschedule_appointment(company, appointment, start, end, ...): move it, and keep from where
--
-- The appointment stays the one it is, also for the call that booked it (decision D2); which call
-- moved it is in appointment_modifications. Without an end it stays as long as it was. The
-- provider holds a moved booking under a new uid and a new number: give them as booking_uid
-- and booking_number. The number of the booking that was left does not stay under the new
-- uid: without another one there is none.
--
-- Asked again for where it already is, it returns that with replayed = true and the number of
-- the modification that brought it there. previous_starts_at says from where the caller thinks
-- it moves: an appointment that somebody else has moved meanwhile is then left (TU204).
--
-- Refused: an appointment the company does not have (TU200), one that is cancelled or over
-- (TU204), and what book_appointment refuses of times, near-duplicates and staff. So what the
-- phone agent booked is not moved into the past or beyond booking_horizon, unless the provider
-- has taken the move (booking_uid): then it exists, and the checks report it. One that has
-- begun may get another end.
--
-- The modification has the time of the clock under the lock, and not that of the
-- transaction: of two, the later one must come later in the chain that
-- appointment_modification_mismatch follows.

create or replace function trueup.reschedule_appointment(
    p_company_id bigint,
    p_appointment_id bigint,
    p_starts_at timestamptz,
    p_ends_at timestamptz default null,
    p_call_id bigint default null,
    p_reason text default null,
    p_actor text default session_user,
    p_booking_uid text default null,
    p_previous_starts_at timestamptz default null,
    p_booking_number bigint default null
)
    returns table (
        appointment_id bigint,
        replayed boolean,
        modification_id bigint,
        previous_starts_at timestamptz,
        starts_at timestamptz,
        ends_at timestamptz
    )
    language plpgsql
    security definer
    set search_path = pg_catalog, pg_temp
as $$
declare
    v_appointment public.appointments := trueup.changeable_appointment(p_company_id, p_appointment_id, p_call_id);
    v_ends_at timestamptz := case
        when p_ends_at is not null then p_ends_at
        when not isfinite(v_appointment.starts_at) or not isfinite(v_appointment.ends_at) then 'infinity'
        else p_starts_at + (v_appointment.ends_at - v_appointment.starts_at)
    end;
    v_booking_uid text := coalesce(nullif(btrim(p_booking_uid), ''), v_appointment.calcom_booking_uid);
    v_modification_id bigint;
begin
    if p_starts_at is null or not isfinite(p_starts_at) or not isfinite(v_ends_at) or v_ends_at <= p_starts_at then
        raise exception 'appointment % cannot be moved there: it starts, and ends after that', p_appointment_id
            using errcode = 'TU205', detail = format('From %s to %s.', p_starts_at, v_ends_at);
    end if;

    if v_appointment.status not in ('pending', 'confirmed') then
        raise exception 'appointment % is %', p_appointment_id, v_appointment.status
            using errcode = 'TU204', hint = 'Book a new one.';
    end if;

    if
        v_appointment.starts_at = p_starts_at
        and v_appointment.ends_at = v_ends_at
        and v_appointment.calcom_booking_uid is not distinct from v_booking_uid
    then
        return query
        select
            p_appointment_id, true, moved.id, moved.old_starts_at, v_appointment.starts_at, v_appointment.ends_at
        from (values (1)) as one (row)
        left join lateral (
            select m.id, m.old_starts_at
            from public.appointment_modifications as m
            where m.appointment_id = p_appointment_id and m.kind = 'reschedule'
            order by m.created_at desc, m.id desc
            limit 1
        ) as moved on true;
        return;
    end if;

    if p_previous_starts_at <> v_appointment.starts_at then
        raise exception 'appointment % starts at % by now', p_appointment_id, v_appointment.starts_at
            using
                errcode = 'TU204',
                detail = format('It was to be moved from %s.', p_previous_starts_at),
                hint = 'Ask the customer again which time is meant.';
    end if;

    if
        v_appointment.source = 'retell'
        and nullif(btrim(p_booking_uid), '') is null
        and p_starts_at <> v_appointment.starts_at
    then
        if p_starts_at < now() then
            raise exception 'the phone agent books ahead, and % is past', p_starts_at using errcode = 'TU205';
        elsif p_starts_at > now() + trueup.setting('booking_horizon')::interval then
            raise exception 'the phone agent books no further ahead than %', trueup.setting('booking_horizon')
                using errcode = 'TU205', detail = format('The start is %s.', p_starts_at);
        end if;
    end if;

    perform trueup.refuse_conflict(
        p_company_id, p_appointment_id, v_appointment.customer_id, v_appointment.service_id, v_appointment.staff_id,
        v_appointment.metadata ->> 'booked_for', p_starts_at, v_ends_at
    );

    update public.appointments as a
    set
        starts_at = p_starts_at,
        ends_at = v_ends_at,
        previous_starts_at = v_appointment.starts_at,
        calcom_booking_uid = v_booking_uid,
        calcom_booking_id = case
            when a.calcom_booking_uid is not distinct from v_booking_uid
                then coalesce(a.calcom_booking_id, p_booking_number)
            else p_booking_number
        end,
        updated_at = now()
    where a.id = p_appointment_id;

    insert into public.appointment_modifications as m
        (company_id, appointment_id, call_id, kind, old_starts_at, new_starts_at, reason, actor, created_at)
    values (
        p_company_id, p_appointment_id, p_call_id, 'reschedule', v_appointment.starts_at, p_starts_at, p_reason,
        p_actor, clock_timestamp()
    )
    returning m.id into v_modification_id;

    return query
    select p_appointment_id, false, v_modification_id, v_appointment.starts_at, p_starts_at, v_ends_at;
end;
$$;
