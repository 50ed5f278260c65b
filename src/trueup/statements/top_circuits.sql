-- circuits that are not simply closed, the newest change first
select
    s.service_key as key,
    s.current_state as state,
    s.mode,
    s.failure_count,
    s.state_changed_at as since
from trueup.circuit_breaker_states as s
where s.current_state <> 'closed' or s.mode <> 'automatic'
order by s.state_changed_at desc
limit %(most)s;
