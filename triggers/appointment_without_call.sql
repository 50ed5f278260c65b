-- appointment_without_call: guard
--
-- Looks at COMMIT, so the appointment may be written before its call. Locks the
-- appointment before it reads the check, so that what it read is still true when the
-- transaction commits. What a violation costs (an alert, or the transaction) is the
-- guard's mode.
-- Left to the check: truncate and disabled triggers. A call cannot be taken away from
-- under its appointment: the foreign key refuses that.

create or replace function trueup.guard_appointment_without_call()
    returns trigger
    language plpgsql
    security definer
    set search_path = pg_catalog, pg_temp
as $$
begin
    -- one statement for the mode and the lock: what is off must lock nothing
    perform 1
    from public.appointments as a
    where
        a.id = new.id
        and not exists (
            select 1 from trueup.guards as g where g.name = 'appointment_without_call' and g.mode = 'off'
        )
    for no key update;

    if
        found
        and exists (
            select 1 from trueup.appointment_without_call as v where v.entity_id = new.id
        )
    then
        perform trueup.guard_tripped('appointment_without_call', new.id);
    end if;

    return null;
end;
$$;

drop trigger if exists appointment_without_call on public.appointments;
create constraint trigger appointment_without_call
    after insert or update of source, call_id, deleted_at on public.appointments
    deferrable initially deferred
    for each row
    when (new.source = 'retell' and new.call_id is null and new.deleted_at is null)
    execute function trueup.guard_appointment_without_call();
