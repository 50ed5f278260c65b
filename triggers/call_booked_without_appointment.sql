-- call_booked_without_appointment: guard
--
-- Looks at COMMIT, so one transaction may confirm the call and write its appointment in
-- either order. Locks the call row before it reads the check: without the lock one
-- session could confirm the booking while another deletes the appointment, and both
-- would commit. Of appointments only what takes a kept one from its call is looked at:
-- appointments_sync_calls has then locked that call, in id order. What a violation costs
-- (an alert, or the transaction) is the guard's mode. Left to the check: truncate, which
-- fires no row trigger; disabled triggers; a repeatable read transaction whose snapshot is
-- older than the deletion.

create or replace function trueup.guard_call_booked_without_appointment()
    returns trigger
    language plpgsql
    security definer
    set search_path = pg_catalog, pg_temp
as $$
declare
    v_call_id bigint;
begin
    if tg_argv[0] = 'calls' then -- tg_table_name may be that of a partition
        v_call_id := new.id;
    elsif tg_op = 'UPDATE' and new.call_id = old.call_id and new.deleted_at is null then
        return null; -- nothing was taken from the call
    else
        v_call_id := old.call_id;
    end if;

    -- one statement for the mode and the lock: what is off must lock nothing
    perform 1
    from public.calls as c
    where
        c.id = v_call_id
        and not exists (
            select 1 from trueup.guards as g where g.name = 'call_booked_without_appointment' and g.mode = 'off'
        )
    for no key update;

    if
        found
        and exists (
            select 1 from trueup.call_booked_without_appointment as v where v.entity_id = v_call_id
        )
    then
        perform trueup.guard_tripped('call_booked_without_appointment', v_call_id);
    end if;

    return null;
end;
$$;

drop trigger if exists call_booked_without_appointment on public.calls;
create constraint trigger call_booked_without_appointment
    after insert or update of booking_confirmed, deleted_at on public.calls
    deferrable initially deferred
    for each row
    when (new.booking_confirmed)
    execute function trueup.guard_call_booked_without_appointment('calls');

drop trigger if exists call_booked_without_appointment on public.appointments;
create constraint trigger call_booked_without_appointment
    after delete or update of call_id, deleted_at on public.appointments
    deferrable initially deferred
    for each row
    when (old.call_id is not null and old.deleted_at is null)
    execute function trueup.guard_call_booked_without_appointment();
