-- runs, the latest first, from before one on; those of changes, hundreds a day, only when asked for
select
    cr.id,
    cr.kind,
    cr.status,
    cr.started_at,
    cr.finished_at,
    cr.duration,
    cr.checks,
    cr.checks_failed,
    cr.violations,
    cr.opened,
    cr.resolved,
    cr.reopened,
    cr.error,
    cr.actor,
    cr.rate
from trueup.console_runs as cr
where
    (%(run_id)s::bigint is null or cr.id = %(run_id)s::bigint)
    and (%(run_id)s::bigint is not null or %(changed)s::boolean or cr.kind <> 'changed')
    and (%(before_id)s::bigint is null or cr.id < %(before_id)s::bigint)
order by cr.id desc
limit %(limit)s::bigint;
