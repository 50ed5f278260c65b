-- Tables and indexes that a plan names, with rows and size; a partition stands for the whole of its table,
-- and rows are NULL where nothing was analyzed. Leading column: the one without which a B-tree is read from
-- end to end; NULL from release 18 on, which skips from one of its values to the next.
select
    w.schema_name,
    w.name,
    n.nspname || '.' || top.relname as top_name,
    top.relname as top_bare_name,
    s.row_estimate,
    s.bytes,
    case
        when
            current_setting('server_version_num')::integer < 180000
            and c.relam = (select am.oid from pg_catalog.pg_am as am where am.amname = 'btree')
            and c.relkind in ('i', 'I')
            then pg_get_indexdef(c.oid, 1, true)
    end as leading_column
from unnest(%(schemas)s::text[], %(names)s::text[]) as w (schema_name, name)
inner join pg_catalog.pg_class as c
    on c.relnamespace = to_regnamespace(quote_ident(w.schema_name)) and w.name = c.relname
inner join pg_catalog.pg_class as top on coalesce(pg_partition_root(c.oid), c.oid) = top.oid
inner join pg_catalog.pg_namespace as n on top.relnamespace = n.oid
cross join lateral (
    select
        case when bool_and(part.reltuples >= 0) then sum(part.reltuples)::bigint end as row_estimate,
        coalesce(sum(pg_relation_size(part.oid)), 0)::bigint as bytes
    from pg_catalog.pg_class as part
    where
        part.relkind not in ('p', 'I')
        and (part.oid = top.oid or part.oid in (select t.relid from pg_partition_tree(top.oid) as t))
) as s;
