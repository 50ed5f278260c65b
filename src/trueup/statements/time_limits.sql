-- the time that a check may take, when it has a limit of its own, and what it took last
select
    ch.name,
    (extract(epoch from ch.statement_timeout) * 1000)::bigint::text as own,
    ch.statement_timeout::text as spelled,
    took.duration_ms::float8 as last_ms
from trueup.checks as ch
left join lateral (
    select r.duration_ms
    from trueup.check_results as r
    where r.check_name = ch.name and r.outcome = 'complete'
    order by r.run_id desc
    limit 1
) as took on true
where ch.name = any(%(names)s::text[]);
