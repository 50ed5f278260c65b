-- 0005_retention: how long the pack's own tables keep what is over
--
-- Nothing that waits is among it: events received or parked, failures pending or with a
-- person, keys whose outcome is unknown. Dead events stay, too: nobody has looked yet.

insert into trueup.retention (name, position, table_name, time_column, keep, default_keep, predicate, description) values
(
    'webhook_events', 110, 'trueup.webhook_events', 'received_at', '90 days', '90 days',
    $$t.status in ('processed', 'ignored')
    and not exists (
        select 1
        from public.calls as c
        where
            c.company_id = t.company_id
            and c.retell_call_id = t.object_id
            and c.deleted_at is null
            and (c.ended_at is null or c.status in ('registered', 'ongoing'))
    )$$,
    'webhook events processed or ignored, unless their call is still under way: its end may be told there alone'
),
(
    'idempotency_keys', 120, 'trueup.idempotency_keys', 'finished_at', '90 days', '90 days',
    $$t.status = 'finished'$$,
    'finished requests; one sent again later is carried out again'
),
(
    'sync_failures', 130, 'trueup.sync_failures', 'updated_at', '90 days', '90 days',
    $$t.status = 'resolved'$$,
    'synchronisations that failed and were resolved'
),
(
    'circuit_breaker_metrics', 140, 'trueup.circuit_breaker_metrics', 'happened_at', '30 days', '30 days',
    $$true$$,
    'outcome and duration of each call of a provider'
),
(
    'circuit_breaker_events', 150, 'trueup.circuit_breaker_events', 'happened_at', '400 days', '400 days',
    $$true$$,
    'when a circuit breaker opened and closed'
);

-- what is old enough is found without reading the rest
create index webhook_events_done_idx
    on trueup.webhook_events (received_at) where status in ('processed', 'ignored');
create index idempotency_keys_finished_idx
    on trueup.idempotency_keys (finished_at) where status = 'finished';
create index circuit_breaker_metrics_happened_at_idx
    on trueup.circuit_breaker_metrics (happened_at);
