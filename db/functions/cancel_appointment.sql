-- cancel_appointment(company, appointment, call, reason): it will not take place
--
-- By whatever call, or by none; which one it was is in appointment_modifications, and the call
-- that booked keeps the appointment: it was made (decisions D1 and D2). Its slot is free, and
-- its idempotency key as well: the same booking again is the next generation.
--
-- Cancelled before, it returns that with replayed = true. Refused: an appointment the company
-- does not have (TU200), and one that took place or was missed (TU204).

create or replace function trueup.cancel_appointment(
    p_company_id bigint,
    p_appointment_id bigint,
    p_call_id bigint default null,
    p_reason text default null,
    p_actor text default session_user
)
    returns table (
        appointment_id bigint,
        replayed boolean,
        modification_id bigint,
        cancelled_at timestamptz
    )
    language plpgsql
    security definer
    set search_path = pg_catalog, pg_temp
as $$
declare
    v_appointment public.appointments := trueup.changeable_appointment(p_company_id, p_appointment_id, p_call_id);
    v_now timestamptz := clock_timestamp();
    v_modification_id bigint;
begin
    if v_appointment.status = 'cancelled' then
        return query
        select
            p_appointment_id,
            true,
            (
                select m.id
                from public.appointment_modifications as m
                where m.appointment_id = p_appointment_id and m.kind = 'cancel'
                order by m.created_at desc, m.id desc
                limit 1
            ),
            v_appointment.cancelled_at;
        return;
    end if;

    if v_appointment.status not in ('pending', 'confirmed') then
        raise exception 'appointment % is %', p_appointment_id, v_appointment.status
            using errcode = 'TU204', hint = 'What is over cannot be cancelled.';
    end if;

    update public.appointments as a
    set status = 'cancelled', cancelled_at = v_now, updated_at = now()
    where a.id = p_appointment_id;

    insert into public.appointment_modifications as m
        (company_id, appointment_id, call_id, kind, old_starts_at, reason, actor, created_at)
    values (
        p_company_id, p_appointment_id, p_call_id, 'cancel', v_appointment.starts_at, p_reason, p_actor, v_now
    )
    returning m.id into v_modification_id;

    return query select p_appointment_id, false, v_modification_id, v_now;
end;
$$;
