-- runs whose session is gone did not finish, and never will. When a session of another role began is
-- hidden without pg_read_all_stats: one of this database with the number of the run's may be that
with abandoned as (
    update trueup.check_runs as cr
    set
        status = 'abandoned',
        finished_at = clock_timestamp(),
        error = 'the session that ran it ended before it had finished'
    where
        cr.status = 'running'
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
