-- the locks of this transaction that somebody would wait for, on what was there before:
-- the strongest on each table or view
select
    s.mode,
    s.relation
from (
    select distinct on (l.relation)
        m.strength,
        m.name as mode,
        format('%%I.%%I', n.nspname, c.relname) as relation
    from pg_catalog.pg_locks as l
    inner join (
        values
        (1, 'ShareUpdateExclusiveLock', 'SHARE UPDATE EXCLUSIVE'),
        (2, 'ShareLock', 'SHARE'),
        (3, 'ShareRowExclusiveLock', 'SHARE ROW EXCLUSIVE'),
        (4, 'ExclusiveLock', 'EXCLUSIVE'),
        (5, 'AccessExclusiveLock', 'ACCESS EXCLUSIVE')
    ) as m (strength, mode, name) on l.mode = m.mode
    inner join pg_catalog.pg_class as c on l.relation = c.oid
    inner join pg_catalog.pg_namespace as n on c.relnamespace = n.oid
    where
        l.pid = pg_backend_pid()
        and l.locktype = 'relation'
        and l.granted
        and l.relation = any(%(relations)s::oid[])
    order by l.relation, m.strength desc
) as s
order by s.strength desc, s.relation;
