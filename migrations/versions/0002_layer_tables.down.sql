delete from trueup.settings
where name in (
    'default_direction', 'pending_creation_limit', 'ongoing_limit', 'duplicate_call_window',
    'duplicate_appointment_window', 'booking_horizon', 'open_past_limit'
);
drop table trueup.unusable_names;
drop table trueup.vocabularies;
drop table trueup.circuit_breaker_metrics;
drop table trueup.circuit_breaker_events;
drop table trueup.circuit_breaker_states;
drop table trueup.idempotency_keys;
drop table trueup.webhook_events;
drop table trueup.sync_failures;
