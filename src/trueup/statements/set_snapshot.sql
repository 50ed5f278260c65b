update trueup.check_runs as cr
set snapshot = %(snapshot)s::pg_snapshot, snapshot_at = %(taken_at)s
where cr.id = %(run_id)s;
