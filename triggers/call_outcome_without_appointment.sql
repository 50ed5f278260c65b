-- call_outcome_without_appointment: guard
--
-- Looks at COMMIT, so one transaction may write outcome and appointment in either order.
-- Locks the call row before it reads the check, or one session could write the outcome
-- while another deletes the appointment. On the flag as well as the outcome, because
-- calls_fill_outcome writes an outcome that the statement does not mention. When the last
-- appointment goes, appointments_sync_calls takes the outcome back first; this guard sees
-- that it did, and looks only at what takes a kept appointment away, where the sync has
-- locked the call, in order. Left to the check: truncate; disabled triggers; a repeatable read
-- transaction whose snapshot is older than the deletion.

create or replace function trueup.guard_call_outcome_without_appointment()
    returns trigger
    language plpgsql
    security definer
    set search_path = ''
as $$
declare
    v_call_id bigint;
begin
    if trueup.guard_mode('call_outcome_without_appointment') = 'off' then
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
        select 1 from trueup.call_outcome_without_appointment as v where v.entity_id = v_call_id
    ) then
        perform trueup.guard_tripped('call_outcome_without_appointment', v_call_id);
    end if;

    return null;
end;
$$;

drop trigger if exists call_outcome_without_appointment on public.calls;
create constraint trigger call_outcome_without_appointment
    after insert or update of session_outcome, appointment_made, deleted_at on public.calls
    deferrable initially deferred
    for each row
    when (new.session_outcome = 'appointment_booked')
    execute function trueup.guard_call_outcome_without_appointment('calls');

drop trigger if exists call_outcome_without_appointment on public.appointments;
create constraint trigger call_outcome_without_appointment
    after delete or update of call_id, deleted_at on public.appointments
    deferrable initially deferred
    for each row
    when (old.call_id is not null and old.deleted_at is null)
    execute function trueup.guard_call_outcome_without_appointment();
