-- the keys of the tables that the host revision created in pg_temp
select quote_ident(c.relname) as name, att.attname::text as key_column
from pg_catalog.pg_class as c
inner join pg_catalog.pg_index as ind on c.oid = ind.indrelid
inner join pg_catalog.pg_attribute as att on c.oid = att.attrelid and att.attnum = ind.indkey[0]
where c.relnamespace = pg_my_temp_schema() and ind.indisprimary and ind.indnkeyatts = 1;
