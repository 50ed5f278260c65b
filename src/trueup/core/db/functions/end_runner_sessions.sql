-- end_runner_sessions(runner, job): end the sessions of a job of a runner, or all of the runner
--
-- They are named `trueup run 17 full`. Only those of the caller's own role, which needs no
-- privilege for it.

create or replace function trueup.end_runner_sessions(p_runner_id bigint, p_job text)
    returns bigint
    language sql
    set search_path = pg_catalog, pg_temp
as $$
    select count(*) filter (where pg_terminate_backend(a.pid))
    from pg_catalog.pg_stat_activity as a
    where
        a.datname = current_database()
        and a.usename = current_user
        and a.pid <> pg_backend_pid()
        and case
            when p_job is null
                then
                    a.application_name = format('trueup run %s', p_runner_id)
                    or starts_with(a.application_name, format('trueup run %s ', p_runner_id))
            -- the server keeps 63 bytes of a name
            else a.application_name = left(format('trueup run %s %s', p_runner_id, p_job), 63)
        end;
$$;
