update trueup.check_runs as cr
set
    status = %(status)s,
    finished_at = clock_timestamp(),
    checks_failed = %(failed)s,
    violations = %(violations)s,
    opened = %(opened)s,
    resolved = %(resolved)s,
    reopened = %(reopened)s,
    error = %(error)s
where cr.id = %(run_id)s
returning cr.id, cr.kind, cr.status, cr.started_at, cr.finished_at, cr.snapshot_at;
