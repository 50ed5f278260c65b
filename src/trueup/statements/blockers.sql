-- who keeps our server processes waiting for a lock, the oldest transaction first
select format(
    'pid %%s, user %%s, application %%s, in transaction for %%s s, %%s: %%s',
    a.pid, a.usename, coalesce(nullif(a.application_name, ''), '(none)'),
    extract(epoch from clock_timestamp() - a.xact_start)::integer,
    coalesce(a.state, 'unknown'),
    left(regexp_replace(a.query, '\s+', ' ', 'g'), 80)
) as text
from pg_catalog.pg_stat_activity as a
where
    a.pid in (
        select b.pid
        from unnest(%(pids)s::integer[]) as w (pid)
        cross join unnest(pg_blocking_pids(w.pid)) as b (pid)
    )
order by a.xact_start
limit 3;
