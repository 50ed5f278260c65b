-- partitions of a table, one that is partitioned itself before its own
select
    n.nspname::text as schema_name,
    c.relname::text as name,
    pn.nspname::text as parent_schema,
    p.relname::text as parent_name,
    part.level = 1 as is_direct,
    c.relkind = 'p' as is_partitioned
from pg_catalog.pg_partition_tree(to_regclass(%(table)s)) as part
inner join pg_catalog.pg_class as c on part.relid = c.oid
inner join pg_catalog.pg_namespace as n on c.relnamespace = n.oid
inner join pg_catalog.pg_class as p on part.parentrelid = p.oid
inner join pg_catalog.pg_namespace as pn on p.relnamespace = pn.oid
order by part.level, schema_name, name;
