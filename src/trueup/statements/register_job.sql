-- a job whose times were changed, or that comes back, begins anew: what lies before is nobody's.
-- When one is due that has times from when the server's clock was ahead is told anew
insert into trueup.jobs as j (name, does, schedule, timeout, is_enabled, due_at)
values (%(name)s, %(does)s, %(schedule)s, %(timeout)s, %(is_enabled)s, %(due_at)s)
on conflict (name) do update set
    does = excluded.does,
    schedule = excluded.schedule,
    timeout = excluded.timeout,
    is_enabled = j.is_enabled or excluded.is_enabled,
    since = case when j.is_enabled and j.schedule = excluded.schedule then j.since else clock_timestamp() end,
    due_at = case
        when
            j.is_enabled
            and j.schedule = excluded.schedule
            and j.timeout = excluded.timeout
            and greatest(j.done_at, j.since, j.updated_at) <= now() + interval '1 minute'
            then j.due_at
        else excluded.due_at
    end,
    updated_at = clock_timestamp()
where
    excluded.is_enabled > j.is_enabled
    or greatest(j.done_at, j.since, j.updated_at) > now() + interval '1 minute'
    or (j.does, j.schedule, j.timeout) is distinct from (excluded.does, excluded.schedule, excluded.timeout);
