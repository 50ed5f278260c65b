-- circuit_open_long
--
-- invariant:   no circuit stays open or half open longer than circuit_open_limit
-- severity:    warning
-- entity:      circuit
-- changes:     time
-- population:  none
-- prevented:   none: whether a provider answers is not for the database to say
-- repair:      review
-- cost:        one scan of circuit_breaker_states, a row for each circuit that ever failed
--
-- The limit is the setting circuit_open_limit (10 minutes), counted from when the circuit
-- was closed last: a probe that fails in between does not begin it anew. One that a person
-- forced open and forgot is listed, too, and so is one in shadow, which refuses nothing:
-- its provider fails all the same. An open circuit that nobody asks any more stays open.
-- Look at the provider, then at `trueup circuit show`; the next successful probes close
-- it, or `trueup circuit force-closed`.

create or replace view trueup.circuit_open_long as
select
    null as company_id,
    'circuit' as entity_type,
    s.service_key as entity_id,
    'circuit ' || s.service_key
    || case when s.mode = 'force_open' then ' is forced open' else ' has not been closed' end
    || ' for longer than allowed' as description,
    jsonb_build_object('mode', s.mode, 'opened_at', s.opened_at) as evidence
from trueup.circuit_breaker_states as s
where
    s.current_state <> 'closed'
    and s.opened_at < now() - (select st.value::interval from trueup.settings as st where st.name = 'circuit_open_limit');
