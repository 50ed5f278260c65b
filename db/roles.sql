-- roles.sql: what the roles of trueup need on the application's tables
--
-- The roles themselves are made by the core's roles.sql, which runs first. The runner
-- repairs, so it writes the tables that repairs write; dashboards see no names and no
-- numbers of callers. Harmless to run again.

do $$
begin
    if to_regrole('trueup_runner') is null then
        return;
    end if;

    grant select on
        public.companies, public.branches, public.staff, public.services, public.phone_numbers,
        public.customers, public.calls, public.appointments, public.appointment_modifications
        to trueup_runner, trueup_reviewer, trueup_owner;
    grant insert, update, delete on
        public.customers, public.calls, public.appointments, public.appointment_modifications
        to trueup_runner, trueup_owner;
    grant select (
        id, company_id, direction, call_type, status, started_at, ended_at, session_outcome,
        customer_link_status, appointment_made, appointment_id, appointment_link_status,
        booking_confirmed, booking_failed, created_at, deleted_at
    ) on public.calls to trueup_dashboard;
    grant select on
        trueup.sync_failures, trueup.circuit_breaker_states, trueup.circuit_breaker_events,
        trueup.circuit_breaker_metrics
        to trueup_dashboard;

    -- what the provider lists holds who attends: applications write it, through functions
    grant select on trueup.booking_imports to trueup_reviewer, trueup_dashboard;
    grant execute on function
        trueup.begin_booking_import(bigint, timestamptz, timestamptz, timestamptz),
        trueup.import_bookings(bigint, jsonb, bigint, boolean),
        trueup.record_sync_failure(bigint, bigint, text, text, text, jsonb),
        trueup.claim_sync_failures(integer, bigint),
        trueup.finish_sync_failure(bigint, bigint, uuid, text, text, text, bigint),
        trueup.appointment_notices_since(bigint, bigint)
        to trueup_app;
end;
$$;
