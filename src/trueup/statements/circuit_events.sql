select
    e.happened_at,
    e.old_state,
    e.new_state,
    e.reason,
    e.actor
from trueup.circuit_breaker_events as e
where e.service_key = %(key)s::text
order by e.id desc
limit 20;
