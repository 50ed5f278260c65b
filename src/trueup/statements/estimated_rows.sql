-- rows of tables as the planner estimates them, in the order of the names, partitions and all; NULL where nobody
-- knows: one that was never analysed, a view. The catalogue alone is read: pg_partition_tree would wait for locks
select case when bool_and(part.reltuples >= 0) then sum(part.reltuples)::bigint end
from unnest(%(names)s::text[]) with ordinality as t (name, position)
left join lateral (
    with recursive tree as (
        select to_regclass(t.name)::oid as relid
        union
        select i.inhrelid
        from tree
        inner join pg_catalog.pg_inherits as i on tree.relid = i.inhparent
    )

    select c.reltuples
    from tree
    inner join pg_catalog.pg_class as c on tree.relid = c.oid
    where c.relkind <> 'p'
) as part on true
group by t.position
order by t.position;
