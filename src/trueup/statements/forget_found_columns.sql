-- a column that was missing and has come is used from now on
update trueup.application as a
set missing_columns = missing.names
from (
    select
        array(
            select m.name
            from trueup.application as was
            cross join unnest(was.missing_columns) as m (name)
            where
                not exists (
                    select 1
                    from pg_catalog.pg_attribute as att
                    where
                        att.attrelid = to_regclass(was.schema_name || '.' || split_part(m.name, '.', 1))
                        and att.attname = split_part(m.name, '.', 2)
                        and not att.attisdropped
                )
            order by m.name
        ) as names
) as missing
where a.missing_columns <> missing.names;
