-- table_writes
--
-- Rows written to each table that a guard watches since the server's statistics were
-- reset, partitions and all: inserted, updated and deleted together.

create or replace view trueup.table_writes as
select
    w.table_name,
    (
        select coalesce(sum(st.n_tup_ins + st.n_tup_upd + st.n_tup_del), 0)::bigint
        from (
            select w.relid
            union
            -- no rows for a table that is not partitioned
            select pt.relid
            from pg_catalog.pg_partition_tree(w.relid) as pt
        ) as part
        inner join pg_catalog.pg_stat_all_tables as st on part.relid = st.relid
    ) as writes
from (
    select distinct c.oid as relid, c.oid::regclass::text as table_name
    from trueup.guards as g
    inner join pg_catalog.pg_trigger as t on g.name = t.tgname
    inner join pg_catalog.pg_class as c on t.tgrelid = c.oid
    where not t.tgisinternal and not c.relispartition
) as w;
