-- tables whose journal takes for the key of a row columns that no unique index keeps apart; those of
-- the partition key need not be named, and what a population declares as its key is believed
select
    format('%%I.%%I', n.nspname, c.relname) as table_name,
    array(
        select a.attname::text
        from pg_catalog.pg_index as ind
        cross join lateral unnest(ind.indkey[:ind.indnkeyatts - 1]) with ordinality as k (attnum, place)
        inner join pg_catalog.pg_attribute as a on ind.indrelid = a.attrelid and k.attnum = a.attnum
        where ind.indrelid = c.oid and ind.indisprimary
        order by k.place
    ) as primary_key
from pg_catalog.pg_trigger as tg
inner join pg_catalog.pg_class as c on tg.tgrelid = c.oid
inner join pg_catalog.pg_namespace as n on c.relnamespace = n.oid
left join pg_catalog.pg_partitioned_table as pt on c.oid = pt.partrelid
cross join lateral (
    -- the arguments as they are stored, octets that are no ASCII escaped
    select array_agg(a.attnum) as columns
    from pg_catalog.pg_attribute as a
    where
        a.attrelid = c.oid
        and a.attnum > 0
        and encode(convert_to(a.attname, getdatabaseencoding()), 'escape')
        = any(string_to_array(encode(tg.tgargs, 'escape'), '\000'))
) as named
where
    tg.tgfoid = to_regprocedure('trueup.journal_row_change()')
    and tg.tgparentid = 0
    and not exists (
        select 1
        from pg_catalog.pg_index as ind
        cross join lateral (select ind.indkey[:ind.indnkeyatts - 1]::smallint[] as columns) as k
        where
            ind.indrelid = c.oid
            and ind.indisunique
            and ind.indisvalid
            and ind.indpred is null
            and k.columns && named.columns
            and k.columns <@ (named.columns || coalesce(pt.partattrs::smallint[], '{}'))
            -- rows with a NULL there are not kept apart, and not found by it
            and not exists (
                select 1
                from pg_catalog.pg_attribute as a
                where a.attrelid = c.oid and a.attnum = any(k.columns) and not a.attnotnull
            )
    )
    and not exists (
        select 1
        from trueup.check_populations as cp
        inner join pg_catalog.pg_attribute as a on a.attrelid = c.oid and cp.key_column = a.attname
        where to_regclass(cp.table_name) = c.oid and a.attnum = any(named.columns)
    )
order by table_name;
