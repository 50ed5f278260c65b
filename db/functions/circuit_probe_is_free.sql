-- circuit_probe_is_free(state row): may the next caller try whether the provider is back?
--
-- When the time of an open circuit is over, or nobody holds the probe of one that is half
-- open, or whoever holds it has been silent for too long.

create or replace function trueup.circuit_probe_is_free(p_circuit trueup.circuit_breaker_states)
    returns boolean
    language sql
    volatile
return
    p_circuit.mode in ('automatic', 'shadow')
    and case p_circuit.current_state
        when 'open' then coalesce(p_circuit.open_until <= clock_timestamp(), true)
        when 'half_open' then coalesce(p_circuit.probe_expires_at <= clock_timestamp(), true)
        else false
    end;
