-- the schedule as runners registered it, with the latest run of each job
select
    j.name,
    j.does,
    j.schedule,
    j.is_enabled,
    j.due_at,
    j.done_at,
    latest.slot,
    latest.outcome,
    latest.is_late,
    latest.started_at,
    latest.finished_at,
    latest.error,
    latest.runner
from trueup.jobs as j
left join lateral (
    select
        jr.slot,
        jr.outcome,
        jr.is_late,
        jr.started_at,
        jr.finished_at,
        jr.error,
        format('%%s on %%s', ru.id, ru.host) as runner
    from trueup.job_runs as jr
    inner join trueup.runners as ru on jr.runner_id = ru.id
    where jr.job = j.name
    order by jr.id desc
    limit 1
) as latest on true
order by j.name;
