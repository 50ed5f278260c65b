insert into trueup.circuit_breaker_metrics (service_key, outcome, duration_ms, happened_at)
values ('benchmark closed', 'success', 120, clock_timestamp());
