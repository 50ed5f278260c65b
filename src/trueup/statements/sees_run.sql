select
    pg_is_in_recovery()
    and exists (
        select 1
        from trueup.check_runs as cr
        where
            cr.backend_pid = %(backend_pid)s
            and cr.backend_started_at = %(backend_start)s
            and cr.status = 'running'
    );
