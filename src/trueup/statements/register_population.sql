-- key and company column as the catalogue knows them, so that no name is guessed. A
-- partitioned table has its partition key in the primary key, too: then the key is what the
-- host revision declares, else the one column that is left. A foreign table or a view has
-- no primary key: there the host revision alone can say. The table bears its name in the
-- catalogue, however the header spells it: checks of one entity are listed by one function.
with target as (
    select
        c.oid,
        c.relkind,
        array(
            select att.attname::text
            from pg_catalog.pg_index as ind
            inner join pg_catalog.pg_attribute as att
                on ind.indrelid = att.attrelid and att.attnum = any(ind.indkey[:ind.indnkeyatts - 1])
            where ind.indrelid = c.oid and ind.indisprimary
        ) as primary_key,
        array(
            select att.attname::text
            from pg_catalog.pg_partitioned_table as pt
            inner join pg_catalog.pg_attribute as att
                on pt.partrelid = att.attrelid and att.attnum = any(pt.partattrs)
            where pt.partrelid = c.oid
        ) as partition_key
    from pg_catalog.pg_class as c
    where c.oid = to_regclass(%(table_name)s)
),

candidate as (
    select
        t.oid,
        case
            when cardinality(t.primary_key) = 1 then t.primary_key
            when t.relkind = 'r' then '{}'
            when t.primary_key = '{}' or %(declared_key)s::text = any(t.primary_key) then array[%(declared_key)s::text]
            when t.relkind = 'p'
                then array(select k.name from unnest(t.primary_key) as k (name) where k.name <> all(t.partition_key))
            else '{}'
        end as columns
    from target as t
)

insert into trueup.check_populations as cp
    (check_name, entity_type, table_name, key_column, key_type, company_column, predicate)
select
    %(check_name)s,
    %(entity_type)s,
    (
        select format('%%I.%%I', n.nspname, c.relname)
        from pg_catalog.pg_class as c
        inner join pg_catalog.pg_namespace as n on c.relnamespace = n.oid
        where c.oid = cd.oid
    ),
    att.attname,
    format_type(att.atttypid, -1),
    (
        select co.attname
        from pg_catalog.pg_attribute as co
        where co.attrelid = att.attrelid and co.attname = 'company_id' and not co.attisdropped
    ),
    %(predicate)s
from candidate as cd
inner join pg_catalog.pg_attribute as att
    on cd.oid = att.attrelid and att.attname = cd.columns[1] and not att.attisdropped
where cardinality(cd.columns) = 1
on conflict (check_name, entity_type) do update set
    table_name = excluded.table_name,
    key_column = excluded.key_column,
    key_type = excluded.key_type,
    company_column = excluded.company_column,
    predicate = excluded.predicate;
