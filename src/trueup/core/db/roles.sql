-- roles.sql: who may do what in schema trueup
--
-- Run at every migration and harmless to run again; a user without CREATEROLE gets a
-- warning and an otherwise complete migration, and a superuser runs this file once.
-- The roles cannot log in: grant them to your own. What they need on the application's
-- tables is in the pack's db/roles.sql.
--
--     trueup_owner      reads and writes everything in schema trueup; migrations are run by the
--                       owner of the application's tables
--     trueup_runner     evaluates checks, files alerts, repairs
--     trueup_reviewer   reads alerts and the queue, decides through functions
--     trueup_app        calls what the pack has for applications, and hands work to the queue
--     trueup_dashboard  reads what dashboards show
--     trueup_console    the login of the review console: functions and views for who is signed in

do $$
declare
    v_role text;
begin
    foreach v_role in array array[
        'trueup_owner', 'trueup_runner', 'trueup_reviewer', 'trueup_app', 'trueup_dashboard', 'trueup_console'
    ] loop
        if to_regrole(v_role) is null then
            begin
                execute format('create role %I nologin', v_role);
            exception
                when duplicate_object or unique_violation then
                    null; -- a migration of another database was quicker
            end;
        end if;
    end loop;
exception
    when insufficient_privilege then
        raise warning 'the trueup roles were not created: have a superuser run roles.sql (db/README.md)';
end;
$$;

do $$
declare
    r record;
    v_schema text := (select a.schema_name from trueup.application as a);
begin
    if
        exists (
            select 1
            from unnest(array['owner', 'runner', 'reviewer', 'app', 'dashboard', 'console']) as n (name)
            where to_regrole('trueup_' || n.name) is null
        )
    then
        return;
    end if;

    grant usage on schema trueup
        to trueup_owner, trueup_runner, trueup_reviewer, trueup_app, trueup_dashboard, trueup_console;
    grant create on schema trueup to trueup_owner;
    if not has_schema_privilege('trueup_dashboard', v_schema, 'usage') then
        execute format(
            'grant usage on schema %I to trueup_owner, trueup_runner, trueup_reviewer, trueup_dashboard', v_schema
        );
    end if;
    grant all on all tables in schema trueup to trueup_owner;
    grant select, insert, update, delete on all tables in schema trueup to trueup_runner;
    revoke update, delete on trueup.manual_review_events from trueup_runner;
    -- a history that those whom it names may change is none; migrations are run by the owner
    revoke insert, update, delete, truncate
        on trueup.deployments, trueup.deployment_checks, trueup.backfills, trueup.application
        from trueup_owner, trueup_runner;
    -- these are parts of what functions run with their owner's rights, and migrations with those of
    -- whoever runs them; migrations alone write them
    revoke insert, update, delete
        on trueup.check_populations, trueup.check_tables, trueup.constraints, trueup.objects, trueup.tables
        from trueup_runner;
    -- prune runs with its owner's rights, what it runs is in retention, and what it left in
    -- prunes opens the history: of these, only how long something is kept is for others
    revoke insert, update, delete, truncate, trigger on trueup.retention, trueup.prunes
        from trueup_owner, trueup_runner;
    grant update (keep) on trueup.retention to trueup_owner, trueup_runner;
    -- passwords and sessions are for the functions of the console; what was done there stays
    revoke all on
        trueup.console_users, trueup.console_sessions, trueup.console_attempts, trueup.console_keys
        from trueup_runner;
    -- what prune would delete is counted with the rights of who asks
    grant select (id, expires_at) on trueup.console_sessions to trueup_runner;
    grant select (id, happened_at) on trueup.console_attempts to trueup_runner;
    revoke insert, update, delete, truncate on trueup.console_audit from trueup_owner, trueup_runner;
    grant insert on trueup.console_audit to trueup_owner;
    grant select on
        trueup.console_me, trueup.console_queue, trueup.console_history,
        trueup.console_alerts, trueup.console_runs, trueup.console_results, trueup.console_guards,
        trueup.console_log, trueup.console_reviewers, trueup.settings
        to trueup_console;
    grant select on
        trueup.data_consistency_alerts,
        trueup.manual_review_queue,
        trueup.manual_review_events,
        trueup.checks,
        trueup.check_runs,
        trueup.check_results,
        trueup.consistency_rates,
        trueup.guards,
        trueup.guard_companies,
        trueup.guard_trips,
        trueup.settings,
        trueup.repairs,
        trueup.repair_changes,
        trueup.constraints,
        trueup.objects,
        trueup.deployments,
        trueup.deployment_checks,
        trueup.notifications,
        trueup.notification_channels,
        trueup.notification_mutes,
        trueup.jobs,
        trueup.job_runs,
        trueup.runners,
        trueup.application,
        trueup.alembic_version
        to trueup_reviewer;
    grant select on
        trueup.data_consistency_alerts,
        trueup.manual_review_queue,
        trueup.checks,
        trueup.check_populations,
        trueup.check_runs,
        trueup.check_results,
        trueup.consistency_rates,
        trueup.guards,
        trueup.guard_companies,
        trueup.guard_trips,
        trueup.settings,
        trueup.repairs,
        trueup.notifications,
        trueup.notification_mutes,
        trueup.jobs,
        trueup.job_runs,
        trueup.runners,
        trueup.session_company,
        trueup.dashboard_logins
        to trueup_dashboard;
    grant select (table_name, changed_at) on trueup.changes to trueup_dashboard;
    -- not what an Alertmanager was told of every company
    grant select (
        id, name, kind, first_seen_at, last_seen_at, last_sent_at, attempted_at,
        failures, failing_since, next_attempt_at, error
    ) on trueup.notification_channels to trueup_dashboard;
    grant select on trueup.session_company, trueup.dashboard_logins to trueup_reviewer;
    revoke insert, update, delete on trueup.dashboard_logins from trueup_runner;

    -- what is deployed from db/dashboards, the pack's too; who reads a view needs its tables as well
    for r in
        select o.identity as name
        from trueup.objects as o
        where o.kind = 'view' and o.file like 'db/dashboards/%' and to_regclass(o.identity) is not null
    loop
        execute format('grant select on %s to trueup_dashboard, trueup_reviewer', r.name);
    end loop;
    perform trueup.restrict_dashboards(t.name::regclass)
    from unnest(array[
        'trueup.data_consistency_alerts',
        'trueup.manual_review_queue',
        'trueup.consistency_rates',
        'trueup.repairs',
        'trueup.notifications',
        'trueup.notification_mutes',
        'trueup.guard_trips',
        'trueup.guard_companies'
    ]) as t (name);

    -- a function that runs with its owner's rights is for those it is meant for; the
    -- others do nothing that their caller may not do
    for r in
        select p.oid::regprocedure as name, p.proname, p.prosecdef, p.prorettype = 'trigger'::regtype as is_trigger
        from pg_catalog.pg_proc as p
        where
            p.pronamespace = 'trueup'::regnamespace
            and not exists (
                select 1
                from pg_catalog.pg_depend as d
                where d.objid = p.oid and d.classid = 'pg_proc'::regclass and d.deptype = 'e'
            )
    loop
        execute format('revoke all on function %s from public', r.name);
        if r.is_trigger then
            continue;
        end if;
        if starts_with(r.proname, 'console_') then
            execute format('revoke all on function %s from trueup_runner', r.name);
            execute format('grant execute on function %s to trueup_owner, trueup_console', r.name);
            continue;
        end if;
        execute format('grant execute on function %s to trueup_owner, trueup_runner', r.name);
        if not r.prosecdef then
            execute format('grant execute on function %s to trueup_reviewer, trueup_app, trueup_dashboard, trueup_console', r.name);
        elsif
            r.proname like '%\_review%' and r.proname <> 'queue_review'
            or r.proname in ('acknowledge_alert', 'snooze_alert', 'accept_alert', 'preview_repair')
        then
            execute format('grant execute on function %s to trueup_reviewer', r.name);
        elsif r.proname = 'queue_review' then
            execute format('grant execute on function %s to trueup_app, trueup_reviewer', r.name);
        end if;
    end loop;

    -- dashboards name tables without their schema; a setting of a role is not inherited, so
    -- every login that is a member gets its own, and only who may change it can say so
    for r in
        select m.rolname as name
        from pg_catalog.pg_auth_members as am
        inner join pg_catalog.pg_roles as m on am.member = m.oid
        where am.roleid = 'trueup_dashboard'::regrole and m.rolcanlogin
    loop
        begin
            execute format(
                'alter role %I in database %I set search_path = trueup, %I', r.name, current_database(), v_schema
            );
        exception
            when insufficient_privilege then
                raise warning 'search_path of role % was not set: have its owner set it to trueup, %', r.name, v_schema;
        end;
    end loop;
end;
$$;
