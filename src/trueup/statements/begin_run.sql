-- runs whose session is gone did not finish, and never will. When a session of another role began is
-- hidden without pg_read_all_stats: one of this database with the number of the run's may be that.
-- The evaluation of a repair is complete before it repairs; its counts come when it has ended. No index
-- finds one without, so passes, which are many, leave looking to the others.
with unfinished as (
    select cr.id, cr.status
    from trueup.check_runs as cr
    where cr.status = 'running'
    union all
    select cr.id, cr.status
    from trueup.check_runs as cr
    where %(kind)s::text <> 'changed' and cr.kind = 'repair' and cr.status = 'complete' and cr.repairs is null
),

abandoned as (
    update trueup.check_runs as cr
    set
        status = case u.status when 'running' then 'abandoned' else 'partial' end,
        finished_at = coalesce(cr.finished_at, clock_timestamp()),
        error = case u.status
            when 'running' then 'the session that ran it ended before it had finished'
            else 'interrupted while repairing: its session ended; what was repaired stays repaired'
        end
    from unfinished as u
    where
        cr.id = u.id
        -- another run may have come first
        and cr.status = u.status
        and cr.repairs is null
        and not exists (
            select 1
            from pg_catalog.pg_stat_activity as a
            where
                a.pid = cr.backend_pid
                and case
                    when a.backend_start is null then a.datname = current_database()
                    else a.backend_start = cr.backend_started_at
                end
        )
)

insert into trueup.check_runs (kind, version, backend_started_at, checks)
select %(kind)s, %(version)s, a.backend_start, %(checks)s
from pg_catalog.pg_stat_activity as a
where a.pid = pg_backend_pid()
returning id;
