select t.name as table_name, a.attname as column_name, format_type(a.atttypid, null) as type
from unnest(%(tables)s::text[]) as t (name)
inner join pg_catalog.pg_attribute as a on to_regclass(t.name) = a.attrelid
where a.attnum > 0 and not a.attisdropped;
