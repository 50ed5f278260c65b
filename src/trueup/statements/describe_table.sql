select
    quote_ident(n.nspname) || '.' || quote_ident(c.relname) as qualified,
    c.relname::text as table_name,
    (
        select quote_ident(a.attname)
        from pg_catalog.pg_index as i
        inner join pg_catalog.pg_attribute as a on i.indrelid = a.attrelid and a.attnum = i.indkey[0]
        where i.indrelid = c.oid and i.indisprimary and i.indnkeyatts = 1
    ) as key_column,
    (
        select format_type(a.atttypid, null)
        from pg_catalog.pg_index as i
        inner join pg_catalog.pg_attribute as a on i.indrelid = a.attrelid and a.attnum = i.indkey[0]
        where i.indrelid = c.oid and i.indisprimary and i.indnkeyatts = 1
    ) as key_type,
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
where c.oid = to_regclass(%(name)s) and c.relkind in ('r', 'p', 'f');
