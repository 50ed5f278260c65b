-- the columns of these names, but of tables whose rows policies hide from the role that asks
select t.name as table_name, a.attname as column_name, format_type(a.atttypid, -1) as type
from unnest(%(tables)s::text[]) as t (name)
inner join pg_catalog.pg_attribute as a on to_regclass(t.name) = a.attrelid
where
    a.attname = any(%(columns)s::text[])
    and a.attnum > 0
    and not a.attisdropped
    and not row_security_active(a.attrelid);
