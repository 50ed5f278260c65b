-- take a slot, unless it or a later one was dealt with, was tried twice, or the job is running.
-- A slot, or a job, of more than a minute from now is from a time when the server's clock was ahead,
-- and keeps nobody from a slot: nothing would run until time has caught up.
-- is_asked: somebody wants the slot although the job was not on the schedule yet; is_forced: although
-- a later one was dealt with.
insert into trueup.job_runs (job, slot, attempt, runner_id, deadline_at, is_late)
select
    j.name,
    %(slot)s,
    tried.attempts + 1,
    %(runner_id)s,
    clock_timestamp() + j.timeout + %(ending)s,
    clock_timestamp() > %(slot)s + %(late_after)s::interval
from trueup.jobs as j
cross join lateral (
    select
        count(*) as attempts,
        count(*) filter (where not jr.is_released) as failures
    from trueup.job_runs as jr
    where jr.job = j.name and jr.slot = %(slot)s
) as tried
where
    j.name = %(job)s
    and (%(is_asked)s or j.is_enabled and (%(slot)s > j.since or j.since > now() + interval '1 minute'))
    and tried.failures < 2
    and (
        %(is_forced)s
        or not exists (
            select 1
            from trueup.job_runs as jr
            where
                jr.job = j.name
                and jr.slot >= %(slot)s
                and jr.slot <= now() + interval '1 minute'
                and jr.outcome <> 'abandoned'
        )
    )
on conflict do nothing
returning id, attempt, is_late;
