select
    s.state,
    count(v.service_key) as circuits,
    null as circuit,
    null as circuit_opened_timestamp_seconds
from (
    values ('closed'), ('open'), ('half_open')
) as s (state)
left join trueup.circuit_overview as v on s.state = v.state
group by s.state
union all
(
    select
        null,
        null,
        v.service_key,
        extract(epoch from v.opened_at)
    from trueup.circuit_overview as v
    where v.opened_at is not null
    order by v.opened_at, v.service_key
    limit %(most)s
);
