-- a sign of life of a runner and of those of its runs that it still vouches for; no row: others gave it up
with beaten as (
    update trueup.runners as ru
    set heartbeat_at = clock_timestamp()
    where ru.id = %(runner_id)s and ru.lost_at is null and ru.stopped_at is null
    returning ru.id
),

vouched as (
    update trueup.job_runs as jr
    set heartbeat_at = clock_timestamp()
    from beaten as b
    where jr.runner_id = b.id and jr.id = any(%(run_ids)s::bigint[]) and jr.outcome = 'running'
)

select b.id from beaten as b;
