-- table_writes
--
-- Rows written to each table that a guard watches since the server's statistics were
-- reset, partitions and all: inserted, updated and deleted together.

create or replace view trueup.table_writes as
select
    w.table_name,
    (
        select
            coalesce(
                sum(
                    pg_catalog.pg_stat_get_tuples_inserted(part.relid)
                    + pg_catalog.pg_stat_get_tuples_updated(part.relid)
                    + pg_catalog.pg_stat_get_tuples_deleted(part.relid)
                ),
                0
            )::bigint
        -- pg_partition_tree knows only tables that are partitioned; their root is never written itself
        from unnest(
            w.relid || array(select pt.relid::oid from pg_catalog.pg_partition_tree(w.relid) as pt where pt.isleaf)
        ) as part (relid)
    ) as writes
from (
    select distinct
        c.oid as relid,
        c.oid::regclass::text as table_name
    from trueup.guards as g
    inner join pg_catalog.pg_trigger as t on g.name = t.tgname
    inner join pg_catalog.pg_class as c on t.tgrelid = c.oid
    where not t.tgisinternal and not c.relispartition
) as w;
