-- a job that was taken off the schedule is told of no more
with known as (
    select
        jo.job,
        jo.is_overdue
    from trueup.jobs_overview as jo
    where jo.is_enabled
    order by jo.job
    limit %(most)s
),

ended as (
    select
        jr.job,
        jr.outcome,
        max(jr.finished_at) as finished_at
    from trueup.job_runs as jr
    where jr.finished_at is not null
    group by jr.job, jr.outcome
)

select
    k.job,
    e.outcome,
    extract(epoch from e.finished_at) as job_timestamp_seconds,
    null as job_duration_seconds,
    null as job_failures,
    null as job_running,
    null as job_overdue
from known as k
inner join ended as e on k.job = e.job
union all
select
    k.job,
    null,
    null,
    (
        select extract(epoch from jr.finished_at - jr.started_at)
        from trueup.job_runs as jr
        where jr.job = k.job and jr.finished_at is not null
        order by jr.id desc
        limit 1
    ),
    (
        select count(*)
        from trueup.job_runs as jr
        where
            jr.job = k.job
            and jr.outcome in ('failed', 'abandoned')
            and not jr.is_released
            and jr.started_at > coalesce(
                (select e.finished_at from ended as e where e.job = k.job and e.outcome = 'done'), '-infinity'
            )
    ),
    (
        select count(*)
        from trueup.job_runs as jr
        where jr.job = k.job and jr.outcome = 'running'
    ),
    k.is_overdue::integer
from known as k;
