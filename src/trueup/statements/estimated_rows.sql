-- rows of a table as the planner estimates them, partitions and all; 0 for one never analysed
select greatest(sum(c.reltuples), 0)::bigint
from pg_catalog.pg_class as c
where
    c.oid in (
        select to_regclass(%(name)s)::oid
        union
        select pt.relid
        from pg_catalog.pg_partition_tree(to_regclass(%(name)s)) as pt
        where pt.isleaf
    )
    and c.reltuples > 0;
