drop index trueup.circuit_breaker_metrics_happened_at_idx;
drop index trueup.idempotency_keys_finished_idx;
drop index trueup.webhook_events_done_idx;
delete from trueup.retention
where
    name in (
        'webhook_events', 'idempotency_keys', 'sync_failures', 'circuit_breaker_metrics', 'circuit_breaker_events'
    );
