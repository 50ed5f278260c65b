-- of each job the newest runs, so that the history costs nothing
with known as (
    select jr.job
    from trueup.job_runs as jr
    where jr.started_at > clock_timestamp() - interval '35 days'
    group by jr.job
    order by jr.job
    limit %(most)s
),

newest as (
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
    o.outcome,
    extract(epoch from n.finished_at) as job_timestamp_seconds,
    null as job_duration_seconds,
    null as job_failures,
    null as job_running
from known as k
cross join (
    values ('done'), ('failed'), ('abandoned')
) as o (outcome)
left join newest as n on k.job = n.job and o.outcome = n.outcome
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
            and jr.started_at > coalesce(
                (select n.finished_at from newest as n where n.job = k.job and n.outcome = 'done'), '-infinity'
            )
    ),
    (
        select count(*)
        from trueup.job_runs as jr
        where jr.job = k.job and jr.outcome = 'running'
    )
from known as k;
