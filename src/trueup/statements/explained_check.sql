-- a check as the database knows it: what it is planned to cost, the ceiling, its last complete evaluation
select
    ch.name,
    ch.checksum,
    ch.owes_full,
    trueup.setting('check_cost_ceiling')::numeric as ceiling,
    past.finished_at as last_finished_at,
    past.duration_ms as last_duration_ms,
    past.planned_cost as last_planned_cost,
    past.rows_tested as last_rows_tested,
    past.violations as last_violations
from trueup.checks as ch
left join lateral (
    select r.finished_at, r.duration_ms, r.planned_cost, r.rows_tested, r.violations
    from trueup.check_results as r
    where r.check_name = ch.name and r.outcome = 'complete'
    order by r.run_id desc
    limit 1
) as past on true
where ch.name = %(name)s and ch.is_active;
