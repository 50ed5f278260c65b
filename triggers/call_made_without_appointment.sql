-- call_made_without_appointment: guard
--
-- Looks at COMMIT, so one transaction may write the call and its appointment in
-- either order. Locks the call row before it reads the check: without the lock one
-- session could set the flag while another deletes the appointment, and both would
-- commit. What a violation costs (an alert, or the transaction) is the guard's mode.
--
-- Of appointments only what takes a kept one from its call is looked at: the sync has then
-- locked that call, in order. A guard that locked calls for anything else would lock them
-- in the order of the rows written, and two statements of many rows could deadlock.
--
-- Left to the check: truncate, which fires no row trigger; disabled triggers; a
-- repeatable read transaction whose snapshot is older than the deletion.

create or replace function trueup.guard_call_made_without_appointment()
    returns trigger
    language plpgsql
    security definer
    set search_path = ''
as $$
declare
    v_call_id bigint;
begin
    if trueup.guard_mode('call_made_without_appointment') = 'off' then
        return null;
    end if;

    if tg_argv[0] = 'calls' then -- tg_table_name may be that of a partition
        v_call_id := new.id;
    elsif tg_op = 'UPDATE' and new.call_id = old.call_id and new.deleted_at is null then
        return null; -- nothing was taken from the call
    else
        v_call_id := old.call_id;
    end if;

    perform 1 from public.calls as c where c.id = v_call_id for no key update;

    if exists (
        select 1 from trueup.call_made_without_appointment as v where v.entity_id = v_call_id
    ) then
        perform trueup.guard_tripped('call_made_without_appointment', v_call_id);
    end if;

    return null;
end;
$$;

drop trigger if exists call_made_without_appointment on public.calls;
create constraint trigger call_made_without_appointment
    after insert or update of appointment_made, deleted_at on public.calls
    deferrable initially deferred
    for each row
    when (new.appointment_made)
    execute function trueup.guard_call_made_without_appointment('calls');

drop trigger if exists call_made_without_appointment on public.appointments;
create constraint trigger call_made_without_appointment
    after delete or update of call_id, deleted_at on public.appointments
    deferrable initially deferred
    for each row
    when (old.call_id is not null and old.deleted_at is null)
    execute function trueup.guard_call_made_without_appointment();
