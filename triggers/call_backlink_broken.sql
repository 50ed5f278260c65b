-- call_backlink_broken: guard
--
-- Looks at COMMIT, so one transaction may write call and appointment in either order.
-- Locks the call row before it reads the check, or one session could name the appointment
-- while another deletes or re-assigns it. Of the calls that name an appointment only the
-- one it belonged to can have been right, so a change of the appointment concerns that
-- one, and only when a kept one is taken from it, where the sync has locked the call, in
-- order. Left to the check: truncate; disabled triggers; a repeatable read transaction whose
-- snapshot is older than the deletion.
--
-- What the sync itself writes is not looked at: it has computed the call from its appointments under
-- the same lock, and whatever takes one away later is looked at. The WHEN clause believes the
-- parameter only at the depth of that very trigger, and of a role that may put triggers on calls.

create or replace function trueup.guard_call_backlink_broken()
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
            select 1 from trueup.guards as g where g.name = 'call_backlink_broken' and g.mode = 'off'
        )
    for no key update;

    if
        found
        and exists (
            select 1 from trueup.call_backlink_broken as v where v.entity_id = v_call_id
        )
    then
        perform trueup.guard_tripped('call_backlink_broken', v_call_id);
    end if;

    return null;
end;
$$;

drop trigger if exists call_backlink_broken on public.calls;
create constraint trigger call_backlink_broken
    after insert or update of appointment_id, deleted_at on public.calls
    deferrable initially deferred
    for each row
    when (
        new.appointment_id is not null
        and (
            current_setting('trueup.syncing', true) = pg_trigger_depth()::text
            and has_table_privilege('public.calls'::regclass, 'trigger')
        ) is not true
    )
    execute function trueup.guard_call_backlink_broken('calls');

drop trigger if exists call_backlink_broken on public.appointments;
create constraint trigger call_backlink_broken
    after delete or update of call_id, deleted_at on public.appointments
    deferrable initially deferred
    for each row
    when (old.call_id is not null and old.deleted_at is null)
    execute function trueup.guard_call_backlink_broken();
