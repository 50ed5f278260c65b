-- roles.sql: what the roles of trueup need on the application's tables
--
-- The roles themselves are made by the core's roles.sql, which runs first. The runner
-- repairs, so it writes the tables that repairs write; dashboards see no names and no
-- numbers of callers. Applications call functions, and need no right on our tables.
-- Harmless to run again.

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

    -- the inbox: applications put events in, and may have them processed
    grant execute on function
        trueup.receive_event(text, jsonb), trueup.receive_event_body(text, text),
        trueup.process_events(integer), trueup.retry_events(bigint[], text)
        to trueup_app;
end;
$$;
