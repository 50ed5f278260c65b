-- take a slot, unless it or a later one was dealt with, was tried twice, or the job is running.
-- is_asked: somebody wants the slot although the job was not on the schedule yet.
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
    and (%(is_asked)s or j.is_enabled and %(slot)s > j.since)
    and tried.failures < 2
    and not exists (
        select 1
        from trueup.job_runs as jr
        where jr.job = j.name and jr.slot >= %(slot)s and jr.outcome <> 'abandoned'
    )
on conflict do nothing
returning id, attempt, is_late;
