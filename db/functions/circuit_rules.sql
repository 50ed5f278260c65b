-- circuit_rules(key): the numbers that govern one circuit
--
-- Its row of trueup.circuit_breaker_settings where that says something, else the settings
-- circuit_... for all. A number that is missing in both switches its rule off.

create or replace function trueup.circuit_rules(p_key text)
    returns trueup.circuit_breaker_settings
    language sql
    stable
    parallel safe
begin atomic
    select
        p_key,
        coalesce(o.failures, trueup.setting('circuit_failures')::integer),
        coalesce(o.failure_share, trueup.setting('circuit_failure_share')::numeric),
        coalesce(o.share_window, trueup.setting('circuit_share_window')::interval),
        coalesce(o.share_calls, trueup.setting('circuit_share_calls')::integer),
        coalesce(o.slow, trueup.setting('circuit_slow')::interval),
        coalesce(o.open_time, trueup.setting('circuit_open_time')::interval),
        coalesce(o.open_time_most, trueup.setting('circuit_open_time_most')::interval),
        coalesce(o.probe_time, trueup.setting('circuit_probe_time')::interval),
        coalesce(o.successes, trueup.setting('circuit_successes')::integer),
        coalesce(o.quorum, trueup.setting('circuit_quorum')::integer)
    from (values (p_key)) as n (service_key)
    left join trueup.circuit_breaker_settings as o using (service_key);
end;
