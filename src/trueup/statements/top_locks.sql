-- who waits longest for a lock while using a table of ours or of the application's that we
-- watch; a wait for a row is a wait for a transaction, so it is told by the tables that the
-- waiting session has locked as well
with waiting as (
    select
        w.pid,
        w.mode,
        extract(epoch from clock_timestamp() - w.waitstart)::float8 as seconds,
        (
            select l.relation::regclass::text
            from pg_catalog.pg_locks as l
            inner join pg_catalog.pg_class as c on l.relation = c.oid
            where
                l.pid = w.pid
                and l.locktype in ('relation', 'tuple')
                and l.database = (select d.oid from pg_catalog.pg_database as d where d.datname = current_database())
                and c.relkind in ('r', 'p', 'm')
                and (
                    c.relnamespace = 'trueup'::regnamespace
                    or l.relation in (select to_regclass(t.table_name) from trueup.check_tables as t)
                )
            order by l.granted, l.locktype = 'tuple' desc, l.relation
            limit 1
        ) as relation
    from pg_catalog.pg_locks as w
    where not w.granted
)

select
    w.pid,
    a.usename::text as username,
    coalesce(a.application_name, '') as application,
    w.relation,
    w.mode,
    coalesce(w.seconds, 0) as seconds,
    pg_blocking_pids(w.pid) as blockers
from waiting as w
inner join pg_catalog.pg_stat_activity as a on w.pid = a.pid
where w.relation is not null
order by w.seconds desc nulls last
limit %(most)s;
