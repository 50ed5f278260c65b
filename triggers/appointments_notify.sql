-- appointments_notify: notices of change
--
-- Tells listeners on channel trueup_appointments which days of which companies have
-- changed, at COMMIT, whoever wrote: application, webhook, repair. One notice per company
-- and day (trueup.notice_days), old and new, whenever an appointment is made, moved,
-- given to others, changes its status, or is deleted or revived. The payload is
--
--     {"company_id":1,"date":"2025-10-22","position":748}
--
-- ids and dates, nothing about persons; a null date is any day, a null company any company.
-- PostgreSQL sends equal payloads of one transaction once. position is where a listener
-- that gets lost afterwards begins to catch up (trueup.appointment_notices_since): every
-- transaction below it had ended when this one wrote, and has been told of before. It is
-- taken once per transaction, or no two payloads would be equal.
--
-- The same is kept in trueup.appointment_notices for those who are away. trueup.changes
-- cannot serve them: it holds keys of rows and not where they were, and every pass of
-- `trueup check --changed` empties it.
--
-- Commits that notify are done one after the other, server-wide (db/README.md says what
-- that costs). The setting appointment_notices: notify; record, for listeners that only ask;
-- off. NOTIFY is not possible in a transaction that is prepared for two-phase commit.
--
-- Statement-level, one trigger per event, as appointments_sync_calls. Left out: statements that
-- name a partition, disabled triggers, session_replication_role. Who caches should forget
-- after a time, too.

create or replace function trueup.appointments_notify()
    returns trigger
    language plpgsql
    security definer
    set search_path = pg_catalog, pg_temp
as $$
declare
    v_company_ids bigint[];
    v_starts timestamptz[];
    v_ends timestamptz[];
    v_mode text;
    v_horizon bigint;
    v_position text;
    v_zone text;
    v_first date;
    v_last date;
    v_dates date[];
begin
    if tg_op = 'INSERT' then
        select array_agg(n.company_id), array_agg(n.starts_at), array_agg(n.ends_at)
        into v_company_ids, v_starts, v_ends
        from new_appointments as n
        where n.deleted_at is null;
    elsif tg_op = 'DELETE' then
        select array_agg(o.company_id), array_agg(o.starts_at), array_agg(o.ends_at)
        into v_company_ids, v_starts, v_ends
        from old_appointments as o
        where o.deleted_at is null;
    elsif tg_op = 'UPDATE' then
        -- nearly every update ends here, as in appointments_sync_calls: where each row has its like, none is on
        -- one side only
        if
            exists (
                select
                    n.id, n.company_id, n.starts_at, n.ends_at, n.status, n.staff_id, n.service_id, n.branch_id,
                    n.deleted_at is null
                from new_appointments as n
                except all
                select
                    o.id, o.company_id, o.starts_at, o.ends_at, o.status, o.staff_id, o.service_id, o.branch_id,
                    o.deleted_at is null
                from old_appointments as o
            )
        then
            -- the rows that stand on one side more often than on the other, each with the time it was or is at
            select array_agg(t.company_id), array_agg(t.starts_at), array_agg(t.ends_at)
            into v_company_ids, v_starts, v_ends
            from (
                select distinct
                    d.company_id,
                    d.starts_at,
                    d.ends_at
                from (
                    select
                        o.id, o.company_id, o.starts_at, o.ends_at, o.status, o.staff_id, o.service_id, o.branch_id,
                        -1 as side
                    from old_appointments as o
                    where o.deleted_at is null
                    union all
                    select
                        n.id, n.company_id, n.starts_at, n.ends_at, n.status, n.staff_id, n.service_id, n.branch_id,
                        1 as side
                    from new_appointments as n
                    where n.deleted_at is null
                ) as d
                group by
                    d.id, d.company_id, d.starts_at, d.ends_at, d.status, d.staff_id, d.service_id, d.branch_id
                having sum(d.side) <> 0
            ) as t;
        end if;
    end if;
    if tg_op <> 'TRUNCATE' and v_company_ids is null then
        return null;
    end if;

    select st.value into v_mode from trueup.settings as st where st.name = 'appointment_notices';
    if v_mode = 'off' then
        return null;
    end if;

    -- any session may set the parameter: what it says is believed when it asks for more, never for less
    v_horizon := pg_snapshot_xmin(pg_current_snapshot())::text::bigint;
    v_position := current_setting('trueup.notice_position', true);
    if v_position ~ '^[0-9]{1,18}$' then
        v_horizon := least(v_horizon, v_position::bigint);
    end if;
    if v_position is distinct from v_horizon::text then
        perform set_config('trueup.notice_position', v_horizon::text, true);
    end if;

    if cardinality(v_company_ids) = 1 then
        -- one appointment within one day, as nearly every statement writes it
        select cm.timezone into v_zone from public.companies as cm where cm.id = v_company_ids[1];
        begin
            v_first := (v_starts[1] at time zone coalesce(v_zone, 'Europe/Berlin'))::date;
            v_last := (
                greatest(v_starts[1], v_ends[1] - interval '1 microsecond')
                at time zone coalesce(v_zone, 'Europe/Berlin')
            )::date;
        exception
            when invalid_parameter_value or datetime_field_overflow then
                null; -- trueup.notice_days knows what to make of it
        end;
    end if;
    if v_first = v_last and isfinite(v_first) and v_company_ids[1] is not null then
        v_dates := array[v_first];
    elsif tg_op = 'TRUNCATE' then
        v_company_ids := array[null];
        v_dates := array[null];
    else
        select array_agg(nt.company_id), array_agg(nt.date)
        into v_company_ids, v_dates
        from trueup.notice_days(
            v_company_ids, v_starts, v_ends,
            trueup.setting('notice_days_limit')::integer, trueup.setting('notice_companies_limit')::integer
        ) as nt;
    end if;

    for v_each in 1..coalesce(cardinality(v_dates), 0) loop
        insert into trueup.appointment_notices (company_id, date) values (v_company_ids[v_each], v_dates[v_each]);
        if v_mode <> 'record' then
            perform pg_notify(
                'trueup_appointments',
                format(
                    '{"company_id":%s,"date":%s,"position":%s}',
                    coalesce(v_company_ids[v_each]::text, 'null'),
                    coalesce('"' || to_char(v_dates[v_each], 'YYYY-MM-DD') || '"', 'null'),
                    v_horizon
                )
            );
        end if;
    end loop;
    return null;
end;
$$;

create or replace trigger appointments_notify_insert
    after insert on public.appointments
    referencing new table as new_appointments
    for each statement
    execute function trueup.appointments_notify();

create or replace trigger appointments_notify_update
    after update on public.appointments
    referencing old table as old_appointments new table as new_appointments
    for each statement
    execute function trueup.appointments_notify();

create or replace trigger appointments_notify_delete
    after delete on public.appointments
    referencing old table as old_appointments
    for each statement
    execute function trueup.appointments_notify();

create or replace trigger appointments_notify_truncate
    after truncate on public.appointments
    for each statement
    execute function trueup.appointments_notify();
