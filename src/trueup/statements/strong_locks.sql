-- the locks of this transaction that somebody would wait for, on what was there before
select
    format('%%s on %%s', m.name, l.relation::regclass) as text
from pg_catalog.pg_locks as l
inner join (
    values
    (1, 'ShareUpdateExclusiveLock', 'SHARE UPDATE EXCLUSIVE'),
    (2, 'ShareLock', 'SHARE'),
    (3, 'ShareRowExclusiveLock', 'SHARE ROW EXCLUSIVE'),
    (4, 'ExclusiveLock', 'EXCLUSIVE'),
    (5, 'AccessExclusiveLock', 'ACCESS EXCLUSIVE')
) as m (strength, mode, name) on l.mode = m.mode
where
    l.pid = pg_backend_pid()
    and l.locktype = 'relation'
    and l.granted
    and l.relation::bigint = any(%(relations)s::bigint[])
order by m.strength desc, l.relation::regclass::text;
