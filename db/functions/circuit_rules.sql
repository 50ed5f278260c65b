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
        coalesce(o.failures, (d.value ->> 'circuit_failures')::integer),
        coalesce(o.failure_share, (d.value ->> 'circuit_failure_share')::numeric),
        coalesce(o.share_window, (d.value ->> 'circuit_share_window')::interval),
        coalesce(o.share_calls, (d.value ->> 'circuit_share_calls')::integer),
        coalesce(o.slow, (d.value ->> 'circuit_slow')::interval),
        coalesce(o.open_time, (d.value ->> 'circuit_open_time')::interval),
        coalesce(o.open_time_most, (d.value ->> 'circuit_open_time_most')::interval),
        coalesce(o.probe_time, (d.value ->> 'circuit_probe_time')::interval),
        coalesce(o.successes, (d.value ->> 'circuit_successes')::integer),
        coalesce(o.quorum, (d.value ->> 'circuit_quorum')::integer)
    from (
        select jsonb_object_agg(st.name, st.value) as value
        from trueup.settings as st
        where st.name like 'circuit\_%'
    ) as d
    left join trueup.circuit_breaker_settings as o on o.service_key = p_key;
end;
