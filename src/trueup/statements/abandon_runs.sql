-- runs whose session is gone did not finish, and never will
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
        where a.pid = cr.backend_pid and a.backend_start = cr.backend_started_at
    );
