-- the tables that checks rest on, and whether what happens to them is noted: all four triggers fire,
-- their parts on each partition too, no partition is foreign, no BEFORE trigger of others, on the table or
-- on a partition, may write a column that the list of the one for updates leaves out, and no row is written
-- under the name of another table: that of a parent or child by inheritance, or of the table of a partition
-- whose triggers look at statements
with recursive tables as materialized (
    select
        x.table_name,
        to_regclass(x.table_name)::oid as relid
    from (select distinct ct.table_name from trueup.check_tables as ct) as x
),

-- where not all is noted, and what these are partitions of: mostly none, and followed upwards, so that
-- nobody looks at, or locks, each partition
blind (relid) as (
    (
        select tg.tgrelid
        from pg_catalog.pg_trigger as tg
        where
            tg.tgname in (
                'trueup_changes_insert', 'trueup_changes_update',
                'trueup_changes_delete', 'trueup_changes_truncate'
            )
            and tg.tgenabled in ('D', 'R')
        union all
        select b.tgrelid
        from pg_catalog.pg_trigger as b
        inner join pg_catalog.pg_class as c on b.tgrelid = c.oid
        inner join pg_catalog.pg_proc as p on b.tgfoid = p.oid
        inner join pg_catalog.pg_trigger as tg on b.tgrelid = tg.tgrelid
        where
            not b.tgisinternal
            and b.tgtype & 19 = 19
            -- of ours those with a column list are listed, and the others note the row themselves
            and not (
                p.pronamespace = 'trueup'::regnamespace
                and (
                    cardinality(b.tgattr::smallint[]) > 0
                    or p.prosrc ~ '\mnote_row\M'
                    or c.relnamespace = 'trueup'::regnamespace
                )
            )
            and tg.tgname = 'trueup_changes_update'
            and cardinality(tg.tgattr::smallint[]) > 0
            and (
                cardinality(b.tgattr::smallint[]) = 0
                or not b.tgattr::smallint[] <@ tg.tgattr::smallint[]
            )
        union all
        select ft.ftrelid
        from pg_catalog.pg_foreign_table as ft
    )
    union
    select hi.inhparent
    from blind as bl
    inner join pg_catalog.pg_inherits as hi on bl.relid = hi.inhrelid
),

-- each table is looked at once, not once for each check
armed as materialized (
    select
        t.table_name,
        (
            select count(*) = 4
            from pg_catalog.pg_trigger as tg
            where
                tg.tgrelid = t.relid
                and tg.tgname in (
                    'trueup_changes_insert', 'trueup_changes_update',
                    'trueup_changes_delete', 'trueup_changes_truncate'
                )
                and tg.tgenabled in ('O', 'A')
        )
        and not exists (
            select 1
            from blind as bl
            where bl.relid = t.relid
        )
        and not exists (
            select 1
            from pg_catalog.pg_class as c
            where
                c.oid = t.relid
                and (
                    (
                        exists (select 1 from pg_catalog.pg_inherits as hi where hi.inhrelid = c.oid)
                        and not exists (
                            select 1
                            from pg_catalog.pg_trigger as tg
                            where
                                c.relispartition
                                and tg.tgrelid = c.oid
                                and tg.tgname = 'trueup_changes_insert'
                                -- for each row
                                and tg.tgtype & 1 = 1
                        )
                    )
                    or (
                        c.relkind <> 'p'
                        and c.relhassubclass
                        and exists (select 1 from pg_catalog.pg_inherits as hi where hi.inhparent = c.oid)
                    )
                )
        ) as is_armed
    from tables as t
)

select
    ct.table_name,
    ar.is_armed,
    array_agg(ct.check_name) as check_names
from trueup.check_tables as ct
inner join armed as ar on ct.table_name = ar.table_name
group by ct.table_name, ar.is_armed
order by ct.table_name;
