insert into trueup.check_results (
    run_id, check_name, outcome, snapshot_at, duration_ms, rows_tested, violations, opened, resolved,
    reopened, flooded, missed, sqlstate, error
)
values (
    %(run_id)s, %(name)s, %(outcome)s, %(snapshot_at)s, %(duration_ms)s, %(rows_tested)s, %(violations)s,
    %(opened)s, %(resolved)s, %(reopened)s, %(flooded)s, %(missed)s, %(sqlstate)s, %(error)s
);
