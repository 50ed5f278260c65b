-- the tables that each check rests on, and whether what happens to them is noted: all four triggers fire,
-- and no BEFORE trigger may write a column that the list of the one for updates leaves out
select
    ct.check_name,
    ct.table_name,
    tr.is_armed
from trueup.check_tables as ct
inner join (
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
                and (
                    tg.tgname <> 'trueup_changes_update'
                    or cardinality(tg.tgattr::smallint[]) = 0
                    or not exists (
                        select 1
                        from pg_catalog.pg_trigger as b
                        where
                            b.tgrelid = t.relid
                            and not b.tgisinternal
                            and b.tgtype & 19 = 19
                            and cardinality(b.tgattr::smallint[]) = 0
                    )
                )
        ) as is_armed
    from (
        select distinct x.table_name, to_regclass(x.table_name) as relid
        from trueup.check_tables as x
    ) as t
) as tr on ct.table_name = tr.table_name;
