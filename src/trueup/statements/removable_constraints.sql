-- constraints and indexes on the application's tables that are there and registered as ours.
-- is_ours: added by us, what an index build left that did not finish, or what a deployment
-- of ours was about to record (begun_constraints); the others bear a name of ours, and were there before us or nobody has noted who made them
select
    ct.name,
    ct.table_name,
    ct.kind,
    ct.definition,
    live.is_partitioned,
    live.referenced_table,
    not ct.was_there
    and (
        ct.server_version is not null
        or not live.is_valid
        or ct.name = any(%(begun)s::text[])
    ) as is_ours
from trueup.constraints as ct
cross join lateral (
    select
        false as is_partitioned,
        true as is_valid,
        case
            when con.confrelid <> 0
                then (
                    select format('%%I.%%I', n.nspname, c.relname)
                    from pg_catalog.pg_class as c
                    inner join pg_catalog.pg_namespace as n on c.relnamespace = n.oid
                    where c.oid = con.confrelid
                )
        end as referenced_table
    from pg_catalog.pg_constraint as con
    where
        ct.kind not in ('unique index', 'index')
        and con.conname = ct.name
        and con.conrelid = to_regclass(ct.table_name)
    union all
    select
        cls.relkind = 'I',
        ind.indisvalid,
        null
    from pg_catalog.pg_index as ind
    inner join pg_catalog.pg_class as cls on ind.indexrelid = cls.oid
    where
        ct.kind in ('unique index', 'index')
        and cls.relname = ct.name
        and ind.indrelid = to_regclass(ct.table_name)
) as live
order by ct.table_name, ct.name;
