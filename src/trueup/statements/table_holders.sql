-- sessions that hold locks on a table, the oldest transaction first
select format(
    'pid %%s, user %%s, application %%s, in transaction for %%s s: %%s',
    a.pid, a.usename, coalesce(nullif(a.application_name, ''), '(none)'),
    extract(epoch from clock_timestamp() - a.xact_start)::integer,
    left(regexp_replace(a.query, '\s+', ' ', 'g'), 80)
) as text
from pg_catalog.pg_locks as l
inner join pg_catalog.pg_stat_activity as a on l.pid = a.pid
where l.relation = any(%(tables)s::regclass[]) and l.granted and a.pid <> pg_backend_pid()
order by a.xact_start
limit 3;
