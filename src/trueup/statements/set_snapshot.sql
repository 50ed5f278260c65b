-- others: whether a run is under way that began before and may still file what it saw then
update trueup.check_runs as cr
set snapshot = %(snapshot)s::pg_snapshot, snapshot_at = %(taken_at)s
where cr.id = %(run_id)s
returning exists (
    select 1
    from trueup.check_runs as other
    where other.status = 'running' and other.id <> cr.id and other.kind <> 'changed'
) as others;
