-- who holds our advisory lock
select format(
    'pid %%s, user %%s, application %%s, since %%s',
    a.pid, a.usename, coalesce(nullif(a.application_name, ''), '(none)'),
    to_char(a.backend_start, 'YYYY-MM-DD HH24:MI:SS TZ')
) as text
from pg_catalog.pg_locks as l
inner join pg_catalog.pg_stat_activity as a on l.pid = a.pid
where
    l.locktype = 'advisory'
    and l.granted
    and l.database = (select d.oid from pg_catalog.pg_database as d where d.datname = current_database())
    and (l.classid::bigint << 32 | l.objid::bigint) = %(key)s;
