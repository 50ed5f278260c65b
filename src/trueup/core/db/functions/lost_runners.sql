-- lost_runners(): runners that ended without a word, and that no other has replaced since
--
-- Silence counts from the server's start, as in abandon_job_runs: while it was down nobody could
-- give a sign of life; not from a start in the future, when the clock was ahead.
--
-- The body is a string on purpose, as that of overdue_jobs.

create or replace function trueup.lost_runners()
    returns table (runner_id bigint, host text, pid integer, heartbeat_at timestamptz)
    language sql
    stable
    set search_path = pg_catalog, pg_temp
as $$
    select
        ru.id,
        ru.host,
        ru.pid,
        ru.heartbeat_at
    from trueup.runners as ru
    where
        ru.stopped_at is null
        and greatest(
            ru.heartbeat_at,
            case when pg_postmaster_start_time() <= now() + interval '1 minute' then pg_postmaster_start_time() end
        ) < now() - ru.silent_after
        and not exists (
            select 1
            from trueup.runners as newer
            where newer.started_at > ru.heartbeat_at and newer.application = ru.application
        );
$$;
