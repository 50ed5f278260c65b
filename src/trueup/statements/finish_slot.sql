-- the end of a run; no row: others gave it up before. A success says when the next one is due.
with finished as (
    update trueup.job_runs as jr
    set
        outcome = %(outcome)s,
        finished_at = clock_timestamp(),
        error = %(error)s,
        detail = %(detail)s,
        is_released = %(is_released)s
    where jr.id = %(run_id)s and jr.outcome = 'running'
    returning jr.id, jr.job, jr.outcome
),

done as (
    update trueup.jobs as j
    set done_at = clock_timestamp(), due_at = greatest(j.due_at, %(due_at)s)
    from finished as f
    where j.name = f.job and f.outcome = 'done'
)

select f.id from finished as f;
