-- what runs, and the newest runs that are over
(
    select
        cr.id,
        cr.kind,
        cr.status,
        cr.started_at,
        extract(epoch from clock_timestamp() - cr.started_at)::float8 as seconds,
        cr.checks,
        cr.checks_failed,
        cr.violations,
        cr.opened + cr.reopened as opened,
        cr.resolved
    from trueup.check_runs as cr
    where cr.status = 'running'
    order by cr.id desc
    limit %(most)s
)
union all
(
    select
        cr.id,
        cr.kind,
        cr.status,
        cr.started_at,
        extract(epoch from cr.finished_at - cr.started_at)::float8,
        cr.checks,
        cr.checks_failed,
        cr.violations,
        cr.opened + cr.reopened,
        cr.resolved
    from trueup.check_runs as cr
    where cr.status <> 'running'
    order by cr.id desc
    limit %(most)s
);
