-- Drops what this revision added; circuits stay as they are, but modes and probes are forgotten.
drop index trueup.manual_review_queue_customer_creation_idx;
drop index if exists public.calls_confirmed_created_at_idx;
drop index if exists public.calls_link_failed_created_at_idx;
drop index if exists public.customers_created_at_idx;

delete from trueup.constraints as ct
where
    ct.name in (
        'calls_confirmed_created_at_idx', 'calls_link_failed_created_at_idx', 'customers_created_at_idx'
    );

delete from trueup.settings as st
where st.name like 'circuit\_%' or st.name like 'rate\_%';

drop table trueup.circuit_breaker_settings;

drop index trueup.circuit_breaker_metrics_judged_idx;
create index circuit_breaker_metrics_service_key_idx
    on trueup.circuit_breaker_metrics (service_key, happened_at desc);

delete from trueup.circuit_breaker_metrics as m
where m.outcome = 'abandoned';

alter table trueup.circuit_breaker_metrics
    drop constraint circuit_breaker_metrics_outcome_known,
    add constraint circuit_breaker_metrics_outcome_known check (
        outcome in ('success', 'failure', 'refusal', 'rejected')
    ),
    drop column epoch,
    drop column is_slow,
    drop column reporter;

alter table trueup.circuit_breaker_events
    drop column epoch,
    drop column actor;

alter table trueup.circuit_breaker_states
    drop constraint circuit_breaker_states_mode_known,
    drop constraint circuit_breaker_states_opened_complete,
    drop constraint circuit_breaker_states_probe_complete,
    drop column mode,
    drop column mode_reason,
    drop column mode_changed_at,
    drop column mode_changed_by,
    drop column open_count,
    drop column opened_at,
    drop column probe_permit,
    drop column probe_expires_at;
