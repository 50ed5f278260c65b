-- abandon_job_runs(runner, patient): end what no runner ends any more, so that another one takes it over
--
-- A runner without a heartbeat for its silent_after is lost, with all it was running; a run
-- past its deadline hangs, whatever the heartbeat says. Both file an alert runner_lost, which
-- the next evaluation of that check resolves. What such a runner left at work is ended: a
-- process that was only stopped must not go on beside the one that takes over. Only sessions
-- of the caller's own role can be ended, others end by themselves.
--
-- A run that its runner has not vouched for as long, although that gives signs of life, is one
-- it does not know of: the connection broke before it heard that the slot was its own. Nothing
-- of it was begun; it is taken over without an alert, and would keep the job from every slot
-- until its deadline.
--
-- Silence counts from the server's start, because while it was down nobody could give a sign
-- of life; for a patient caller, who will ask again, from when the caller connected, because
-- the server may have been a standby until then.
--
-- A time of more than a minute from now is from when the server's clock was ahead: a sign of life
-- then counts as one of now, and a start then does not count. Who was lost then would not be
-- noticed until time has caught up.

create or replace function trueup.abandon_job_runs(p_runner_id bigint, p_is_patient boolean)
    returns table (run_id bigint, job text, slot timestamptz, runner_id bigint, error text)
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
    r record;
    v_now timestamptz := clock_timestamp();
    v_here_since timestamptz := case
        when p_is_patient
            then (select a.backend_start from pg_catalog.pg_stat_activity as a where a.pid = pg_backend_pid())
        else pg_postmaster_start_time()
    end;
begin
    if v_here_since > v_now + interval '1 minute' then
        v_here_since := '-infinity';
    end if;

    update trueup.runners as ru
    set heartbeat_at = v_now
    where
        ru.id in (
            select ahead.id
            from trueup.runners as ahead
            where ahead.stopped_at is null and ahead.lost_at is null and ahead.heartbeat_at > v_now + interval '1 minute'
            order by ahead.id
            for update skip locked
        );

    update trueup.job_runs as jr
    set
        started_at = least(jr.started_at, v_now),
        heartbeat_at = least(jr.heartbeat_at, v_now),
        deadline_at = least(jr.started_at, v_now) + (jr.deadline_at - jr.started_at)
    where
        jr.id in (
            select ahead.id
            from trueup.job_runs as ahead
            where
                ahead.outcome = 'running'
                and greatest(ahead.started_at, ahead.heartbeat_at) > v_now + interval '1 minute'
            order by ahead.id
            for update skip locked
        );

    for r in
        select
            ru.id,
            ru.host,
            ru.pid,
            ru.heartbeat_at
        from trueup.runners as ru
        where
            ru.stopped_at is null
            and ru.lost_at is null
            and ru.id <> p_runner_id
            and greatest(ru.heartbeat_at, v_here_since) < v_now - ru.silent_after
        order by ru.id
        for update skip locked
    loop
        update trueup.runners as ru set lost_at = v_now where ru.id = r.id;
        perform trueup.end_runner_sessions(r.id, null);
        perform trueup.file_alert(
            'runner_lost', null, 'runner', r.id::text, 'a runner of the schedule ended without a word',
            jsonb_build_object('host', r.host, 'pid', r.pid, 'heartbeat_at', r.heartbeat_at)
        );
    end loop;

    for r in
        select
            jr.id,
            jr.job,
            jr.slot,
            jr.runner_id,
            ru.host,
            ru.pid,
            ru.lost_at is not null as is_lost,
            ru.stopped_at is null and jr.deadline_at >= v_now as is_unknown
        from trueup.job_runs as jr
        inner join trueup.runners as ru on jr.runner_id = ru.id
        where
            jr.outcome = 'running'
            and (
                ru.lost_at is not null
                or ru.stopped_at is not null
                or jr.deadline_at < v_now
                or greatest(jr.heartbeat_at, v_here_since) < v_now - ru.silent_after
            )
        order by jr.id
        for update of jr skip locked
    loop
        run_id := r.id;
        job := r.job;
        slot := r.slot;
        runner_id := r.runner_id;
        error := case
            when r.is_lost then format('runner %s on %s was lost', r.runner_id, r.host)
            when r.is_unknown then format('runner %s on %s does not know of it', r.runner_id, r.host)
            else format('not ended by runner %s on %s within its timeout', r.runner_id, r.host)
        end;
        perform trueup.end_runner_sessions(r.runner_id, r.job);
        update trueup.job_runs as jr
        set outcome = 'abandoned', finished_at = v_now, error = abandon_job_runs.error
        where jr.id = r.id;
        if not (r.is_lost or r.is_unknown) then
            perform trueup.file_alert(
                'runner_lost', null, 'runner', r.runner_id::text, 'a runner of the schedule hangs in a job',
                jsonb_build_object('host', r.host, 'pid', r.pid, 'job', r.job, 'slot', r.slot)
            );
        end if;
        return next;
    end loop;
end;
$$;
