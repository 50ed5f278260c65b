-- what headers name and the database has not: the table of a source, its column, or that of `via`
select
    s.check_name,
    s.table_name,
    case when to_regclass(s.table_name) is not null then s.column_name end as column_name
from unnest(%(checks)s::text[], %(tables)s::text[], %(columns)s::text[]) as s (check_name, table_name, column_name)
where not exists (
    select 1
    from pg_catalog.pg_attribute as a
    where
        a.attrelid = to_regclass(s.table_name)
        and a.attname = s.column_name
        and a.attnum > 0
        and not a.attisdropped
);
