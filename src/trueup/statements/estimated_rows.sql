-- rows of tables as the planner estimates them, in the order of the names, partitions and all; 0 for one
-- never analysed
select greatest(e.rows, 0)::bigint
from unnest(%(names)s::text[]) with ordinality as t (name, position)
cross join lateral (
    select sum(c.reltuples) as rows
    from pg_catalog.pg_class as c
    where
        c.oid in (
            select to_regclass(t.name)::oid
            union
            select pt.relid
            from pg_catalog.pg_partition_tree(to_regclass(t.name)) as pt
            where pt.isleaf
        )
        and c.reltuples > 0
) as e
order by t.position;
