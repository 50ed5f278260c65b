select
    m.outcome,
    count(*) as calls,
    count(*) filter (where m.is_slow) as slow,
    avg(m.duration_ms)::double precision as average_ms
from trueup.circuit_breaker_metrics as m
where m.service_key = %(key)s::text and m.happened_at > clock_timestamp() - interval '1 hour'
group by m.outcome
order by calls desc, m.outcome;
