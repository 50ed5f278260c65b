select
    quote_ident(n.nspname) || '.' || quote_ident(c.relname) as qualified,
    c.relname::text as table_name,
    key.quoted_name as key_column,
    key.type_name as key_type,
    exists (
        select 1
        from pg_catalog.pg_attribute as a
        where a.attrelid = c.oid and a.attname = 'company_id' and not a.attisdropped
    ) as has_company,
    array(
        select a.attname::text
        from pg_catalog.pg_attribute as a
        where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and not a.attnotnull
        order by a.attnum
    ) as nullable_columns,
    array(
        select a.attname::text
        from pg_catalog.pg_attribute as a
        where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
        order by a.attnum
    ) as columns
from pg_catalog.pg_class as c
inner join pg_catalog.pg_namespace as n on c.relnamespace = n.oid
-- all of the primary key but, on a partitioned table, the partition key; one column, or none is known
left join lateral (
    select
        min(quote_ident(a.attname)) as quoted_name,
        min(format_type(a.atttypid, -1)) as type_name
    from pg_catalog.pg_index as i
    inner join pg_catalog.pg_attribute as a
        on i.indrelid = a.attrelid and a.attnum = any(i.indkey[:i.indnkeyatts - 1])
    left join pg_catalog.pg_partitioned_table as pt on i.indrelid = pt.partrelid
    where
        i.indrelid = c.oid
        and i.indisprimary
        and (i.indnkeyatts = 1 or a.attnum <> all(coalesce(pt.partattrs::smallint[], '{}')))
    having count(*) = 1
) as key on true
where c.oid = to_regclass(%(name)s) and c.relkind in ('r', 'p', 'f');
