-- roles.sql: what the roles of trueup need on the application's tables
--
-- The roles themselves are made by the core's roles.sql, which runs first. The runner
-- repairs, so it writes the tables that repairs write; dashboards see no names and no
-- numbers of callers. Applications call functions, and need no right on our tables.
-- Harmless to run again.

do $$
declare
    r record;
    v_schema text := (select a.schema_name from trueup.application as a);
begin
    if to_regrole('trueup_runner') is null then
        return;
    end if;

    -- where the application's tables are is asked, not written: psql may run this file as it is
    execute format(
        'grant select on '
        '%1$I.companies, %1$I.branches, %1$I.staff, %1$I.services, %1$I.phone_numbers, '
        '%1$I.customers, %1$I.calls, %1$I.appointments, %1$I.appointment_modifications '
        'to trueup_runner, trueup_reviewer, trueup_owner',
        v_schema
    );
    execute format(
        'grant insert, update, delete on '
        '%1$I.customers, %1$I.calls, %1$I.appointments, %1$I.appointment_modifications '
        'to trueup_runner, trueup_owner',
        v_schema
    );
    execute format(
        'grant select ('
        'id, company_id, direction, call_type, status, started_at, ended_at, session_outcome, '
        'customer_link_status, appointment_made, appointment_id, appointment_link_status, '
        'booking_confirmed, booking_failed, created_at, deleted_at'
        ') on %1$I.calls to trueup_dashboard',
        v_schema
    );
    grant select on
        trueup.sync_failures, trueup.circuit_breaker_states, trueup.circuit_breaker_events,
        trueup.circuit_breaker_metrics, trueup.circuit_breaker_settings
        to trueup_dashboard;

    -- what the provider lists holds who attends: applications write it, through functions
    grant select on trueup.booking_imports to trueup_reviewer, trueup_dashboard;

    -- the dashboards of a pack stand on these (core's roles.sql grants the views themselves)
    grant select on
        trueup.sync_failures, trueup.circuit_breaker_states, trueup.circuit_breaker_metrics
        to trueup_reviewer;
    perform trueup.restrict_dashboards('trueup.sync_failures');
    perform trueup.restrict_dashboards('trueup.booking_imports');

    -- what applications call; each looks its rows up in the company it is given, or finds the
    -- company by evidence. Who orders a circuit is a person with the rights of the runner
    for r in
        select p.oid::regprocedure as name, p.proname = 'settle_request' as is_for_people
        from pg_catalog.pg_proc as p
        where
            p.pronamespace = 'trueup'::regnamespace
            and p.proname in (
                'book_appointment', 'reschedule_appointment', 'cancel_appointment', 'validate_booking',
                'fail_booking', 'begin_request', 'finish_request', 'settle_request',
                'receive_event', 'receive_event_body', 'process_events', 'retry_events',
                'begin_booking_import', 'import_bookings', 'record_sync_failure', 'claim_sync_failures',
                'finish_sync_failure', 'appointment_notices_since',
                'circuit_allow', 'circuit_report'
            )
    loop
        execute format(
            'grant execute on function %s to %s',
            r.name,
            case when r.is_for_people then 'trueup_reviewer' else 'trueup_app' end
        );
    end loop;
end;
$$;
