-- overdue_jobs(): jobs of the schedule that are late, or fail again and again
--
-- When a job is due is written when it is done or registered. Where that is more than an hour
-- from now the server's clock was ahead, and how late the job is cannot be told; that is said.
--
-- The body is a string on purpose: what a check is known to read gets triggers that note
-- changes, and here every heartbeat and every run would be a change to judge.

create or replace function trueup.overdue_jobs()
    returns table (job_id bigint, description text, evidence jsonb)
    language sql
    stable
    set search_path = pg_catalog, pg_temp
as $$
    select
        j.id,
        'job ' || j.name
        || case
            when written.at > now() + interval '1 hour'
                then format(
                    ' %s at %s, later than now: the clock of the server was ahead, and whether the job is late cannot be told',
                    case when j.done_at = written.at then 'was done' else 'was put on the schedule' end, written.at
                )
            when j.due_at < now() - may.be_missing and j.done_at is null then ' has never been done'
            when j.due_at < now() - may.be_missing then ' has not been done since ' || j.done_at
            else ' failed ' || latest.failures || ' times in a row'
        end
        || coalesce('; last error: ' || latest.error, ''),
        jsonb_build_object(
            'job', j.name,
            'schedule', j.schedule,
            'done_at', j.done_at,
            'due_at', j.due_at,
            'error', latest.error
        )
    from trueup.jobs as j
    cross join lateral (
        select
            trueup.setting('job_patience')::interval as be_missing,
            trueup.setting('job_failures_tolerated')::integer + 1 as enough
    ) as may
    cross join lateral (select greatest(j.done_at, j.since, j.updated_at) as at) as written
    cross join lateral (
        select
            count(*) filter (where r.outcome <> 'done') as failures,
            (array_agg(r.error order by r.id desc) filter (where r.outcome <> 'done'))[1] as error
        from (
            select
                jr.id,
                jr.outcome,
                jr.error
            from trueup.job_runs as jr
            where
                jr.job = j.name
                and jr.outcome <> 'running'
                and not jr.is_released
            order by jr.id desc
            limit may.enough
        ) as r
    ) as latest
    where
        j.is_enabled
        and (
            j.due_at < now() - may.be_missing
            or latest.failures >= may.enough
            or written.at > now() + interval '1 hour'
        );
$$;
