insert into trueup.check_results (
    run_id, check_name, outcome, snapshot_at, duration_ms, rows_tested, violations, opened, resolved,
    reopened, flooded, missed, sqlstate, error, planned_cost
)
select
    %(run_id)s,
    r.name,
    r.outcome,
    %(snapshot_at)s,
    r.duration_ms,
    r.rows_tested,
    r.violations,
    r.opened,
    r.resolved,
    r.reopened,
    r.flooded,
    r.missed,
    r.sqlstate,
    r.error,
    r.planned_cost
from jsonb_to_recordset(%(results)s::jsonb) as r (
    name text, outcome text, duration_ms numeric, rows_tested bigint, violations bigint, opened bigint, resolved bigint,
    reopened bigint, flooded boolean, missed bigint, sqlstate text, error text, planned_cost numeric
);
