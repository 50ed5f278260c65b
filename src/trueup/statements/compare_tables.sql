-- what the host revision expects (created in pg_temp by the caller) beside what is there
select
    e.relname::text as table_name,
    live.oid is not null as is_present,
    quote_ident(e.relname) as quoted_table,
    ec.attname::text as column_name,
    quote_ident(ec.attname) as quoted_column,
    format_type(ec.atttypid, ec.atttypmod) as expected_type,
    format_type(lc.atttypid, lc.atttypmod) as live_type,
    ec.attgenerated <> '' as is_generated,
    lc.attgenerated <> '' as live_is_generated,
    pg_get_expr(ed.adbin, ed.adrelid) as expression,
    coalesce(lc.attnotnull, false) as live_not_null,
    ec.attnotnull as expected_not_null,
    ec.atttypid = 'boolean'::regtype as is_boolean,
    exists (
        select 1
        from pg_catalog.pg_index as pk
        where pk.indrelid = e.oid and pk.indisprimary and pk.indnkeyatts = 1 and pk.indkey[0] = ec.attnum
    ) as expected_is_key,
    -- of a partitioned table the partition key is part of the primary key, too
    exists (
        select 1
        from pg_catalog.pg_index as pk
        where
            pk.indrelid = lc.attrelid
            and pk.indisprimary
            and lc.attnum = any(pk.indkey[:pk.indnkeyatts - 1])
            and (pk.indnkeyatts = 1 or live.relkind = 'p')
    ) as is_key,
    coalesce(
        live.relkind in ('f', 'v', 'm')
        or exists (
            select 1
            from pg_catalog.pg_partition_tree(live.oid) as part
            inner join pg_catalog.pg_class as pc on part.relid = pc.oid
            where pc.relkind = 'f'
        ),
        false
    ) as is_distant,
    coalesce(pg_size_pretty(pg_total_relation_size(live.oid)), '') as table_size
from pg_catalog.pg_class as e
inner join pg_catalog.pg_attribute as ec on e.oid = ec.attrelid and ec.attnum > 0
left join pg_catalog.pg_attrdef as ed on ec.attrelid = ed.adrelid and ec.attnum = ed.adnum
left join pg_catalog.pg_class as live on live.oid = to_regclass(format('%%s.%%I', %(schema)s::text, e.relname))
left join pg_catalog.pg_attribute as lc
    on
        lc.attrelid = live.oid
        and lc.attname = ec.attname
        and not lc.attisdropped
where e.relnamespace = pg_my_temp_schema() and e.relkind = 'r' and e.relname = any(%(names)s::text[])
order by array_position(%(names)s::text[], e.relname::text), ec.attnum;
