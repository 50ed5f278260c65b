-- appointments_sync_calls: sync
--
-- Keeps what a call says of its appointments equal to the appointments (decision D1):
-- appointment_made, appointment_id, appointment_link_status and appointment_linked_at,
-- after every statement that gives a call a kept appointment or takes one away: insert,
-- delete, soft delete, un-delete, re-assignment of call_id (both calls), upsert, COPY.
--
-- Decision D3, an appointment outranks what the call says of itself:
--     a live appointment      clears booking_failed and its reason, and outcome creation_failed
--                             becomes appointment_booked
--     the last one has gone   outcome appointment_booked becomes NULL again; otherwise no
--                             appointment could be deleted while its guard is enforced, and
--                             the outcome that calls_fill_outcome wrote would contradict
-- Other outcomes are never touched, nor is booking_confirmed, which is the provider's word:
-- a confirmed call that loses its appointment is for call_booked_without_appointment.
--
-- Statement-level with transition tables, because row triggers deadlock when two
-- statements touch the same calls in different orders. One trigger per event and no
-- column list: PostgreSQL allows neither with transition tables. An update that moves,
-- deletes and revives nothing is let go by one query on the two tables.
--
-- Locks those calls in id order in a statement of its own and computes in the next: a
-- statement that waited for the lock would compute on the snapshot from before the wait.
-- The appointment's own row lock comes first, so two sessions that HARD-delete the two
-- appointments of a call at the same moment can end in a deadlock: the foreign key of the
-- first needs the row that the second is deleting. The server ends one with 40P01; it is
-- repeated like any other. Soft deletes take no such lock.
--
-- enable_seqscan: a session keeps the plans of its first statements, which in a new database
-- find empty tables, and would go on to read all of calls for every appointment of a load.
--
-- Left to the checks: disabled triggers, truncate, and a repeatable read transaction whose
-- snapshot is older than another session's change (serializable refuses it). After `set
-- constraints all immediate` guards and foreign keys look before this trigger has run.

create or replace function trueup.sync_calls(p_call_ids bigint[])
    returns void
    language plpgsql
    set search_path = pg_catalog, pg_temp
    set enable_seqscan = off
    -- planned anew for each array, as it otherwise is, the update takes three times as long
    set plan_cache_mode = force_generic_plan
    -- before 18 a plan that is switched off counts as dear, and dear plans are compiled each time
    set jit = off
as $$
begin
    perform 1
    from public.calls as c
    where c.id = any(p_call_ids)
    order by c.id
    for no key update;

    -- the depth, so that a trigger of the application which writes other calls is not taken for this one
    perform set_config('trueup.syncing', pg_trigger_depth()::text, true);

    update public.calls as c
    set
        appointment_made = d.appointment_made,
        appointment_id = d.appointment_id,
        appointment_link_status = d.appointment_link_status,
        appointment_linked_at = d.appointment_linked_at,
        session_outcome = d.session_outcome,
        booking_failed = d.booking_failed,
        booking_failure_reason = d.booking_failure_reason
    from (
        select
            was.id,
            own.appointment_made,
            own.appointment_id,
            case
                when own.appointment_made then 'linked'
                when was.appointment_link_status = 'linked' then 'unlinked'
                else was.appointment_link_status
            end as appointment_link_status,
            case
                when not own.appointment_made then null
                when was.appointment_link_status = 'linked' then coalesce(was.appointment_linked_at, now())
                else now()
            end as appointment_linked_at,
            case
                when own.is_live and was.session_outcome = 'creation_failed' then 'appointment_booked'
                -- what calls_fill_outcome would write, without a call of it for every row
                when own.appointment_made and not was.appointment_made and was.session_outcome is null
                    then 'appointment_booked'
                when not own.appointment_made and was.session_outcome = 'appointment_booked' then null
                else was.session_outcome
            end as session_outcome,
            was.booking_failed and not own.is_live as booking_failed,
            case
                when not (was.booking_failed and own.is_live) then was.booking_failure_reason
            end as booking_failure_reason
        from public.calls as was
        cross join lateral trueup.appointments_of_call(was.id, was.company_id, was.appointment_id) as own
        where was.id = any(p_call_ids)
    ) as d
    where
        c.id = d.id
        and (
            c.appointment_made, c.appointment_id, c.appointment_link_status, c.appointment_linked_at,
            c.session_outcome, c.booking_failed, c.booking_failure_reason
        ) is distinct from (
            d.appointment_made, d.appointment_id, d.appointment_link_status, d.appointment_linked_at,
            d.session_outcome, d.booking_failed, d.booking_failure_reason
        );

    perform set_config('trueup.syncing', '', true);
end;
$$;

create or replace function trueup.appointments_sync_calls()
    returns trigger
    language plpgsql
    security definer
    set search_path = pg_catalog, pg_temp
as $$
declare
    v_call_ids bigint[];
begin
    if tg_op = 'INSERT' then
        select array_agg(distinct n.call_id) into v_call_ids
        from new_appointments as n
        where n.deleted_at is null and n.call_id is not null;
    elsif tg_op = 'DELETE' then
        select array_agg(distinct o.call_id) into v_call_ids
        from old_appointments as o
        where o.deleted_at is null and o.call_id is not null;
    elsif
        -- nearly every update ends here; no join, whose plan for one row is none for a hundred thousand
        exists (
            select n.id, n.call_id, n.deleted_at is null, n.status = 'cancelled'
            from new_appointments as n
            except all
            select o.id, o.call_id, o.deleted_at is null, o.status = 'cancelled'
            from old_appointments as o
        )
    then
        -- full join: an update of the key leaves an old and a new row without a partner
        select array_agg(distinct concerned.call_id) into v_call_ids
        from old_appointments as o
        full join new_appointments as n on o.id = n.id
        cross join lateral (
            values
            (case when o.deleted_at is null then o.call_id end),
            (case when n.deleted_at is null then n.call_id end)
        ) as concerned (call_id)
        where
            concerned.call_id is not null
            and (
                o.call_id is distinct from n.call_id
                or (o.deleted_at is null) <> (n.deleted_at is null)
                or (o.status = 'cancelled' and n.status <> 'cancelled')
            );
    end if;

    if v_call_ids is not null and not trueup.undoing() then
        perform trueup.sync_calls(v_call_ids);
    end if;
    return null;
end;
$$;

create or replace trigger appointments_sync_calls_insert
    after insert on public.appointments
    referencing new table as new_appointments
    for each statement
    execute function trueup.appointments_sync_calls();

create or replace trigger appointments_sync_calls_update
    after update on public.appointments
    referencing old table as old_appointments new table as new_appointments
    for each statement
    execute function trueup.appointments_sync_calls();

create or replace trigger appointments_sync_calls_delete
    after delete on public.appointments
    referencing old table as old_appointments
    for each statement
    execute function trueup.appointments_sync_calls();
