select
    r.check_name,
    r.severity,
    r.invariant,
    r.outcome,
    r.duration_ms::float8 as duration_ms,
    r.rows_tested,
    r.violations,
    r.opened,
    r.resolved,
    r.error
from trueup.console_results as r
where r.run_id = %(run_id)s::bigint
order by r.outcome in ('error', 'timeout') desc, r.violations desc nulls last, r.check_name;
