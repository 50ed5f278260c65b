-- the end of a run; no row: others gave it up before. A success says when the next one is due: not
-- before another success has said, unless the server's clock was ahead then, as a time in the future tells.
with finished as (
    update trueup.job_runs as jr
    set
        outcome = %(outcome)s,
        finished_at = clock_timestamp(),
        error = %(error)s,
        detail = %(detail)s,
        is_released = %(is_released)s
    where jr.id = %(run_id)s and jr.outcome = 'running'
    returning jr.id, jr.job, jr.outcome, greatest(jr.slot - clock_timestamp(), interval '0') as ahead
),

done as (
    update trueup.jobs as j
    set
        done_at = clock_timestamp(),
        due_at = case
            when
                greatest(now() + f.ahead, j.done_at, j.since, j.updated_at) > now() + interval '1 minute'
                then %(due_at)s - f.ahead
            else greatest(j.due_at, %(due_at)s)
        end,
        since = least(j.since, clock_timestamp()),
        updated_at = least(j.updated_at, clock_timestamp())
    from finished as f
    where j.name = f.job and f.outcome = 'done'
)

select f.id from finished as f;
