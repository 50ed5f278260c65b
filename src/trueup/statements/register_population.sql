-- key and company column as the catalogue knows them, so that no name is guessed
insert into trueup.check_populations as cp
    (check_name, entity_type, table_name, key_column, key_type, company_column, predicate)
select
    %(check_name)s,
    %(entity_type)s,
    %(table_name)s,
    att.attname,
    format_type(att.atttypid, null),
    (
        select co.attname
        from pg_catalog.pg_attribute as co
        where co.attrelid = ind.indrelid and co.attname = 'company_id' and not co.attisdropped
    ),
    %(predicate)s
from pg_catalog.pg_index as ind
inner join pg_catalog.pg_attribute as att
    on ind.indrelid = att.attrelid and att.attnum = ind.indkey[0]
where ind.indrelid = to_regclass(%(table_name)s) and ind.indisprimary and ind.indnkeyatts = 1
on conflict (check_name, entity_type) do update set
    table_name = excluded.table_name,
    key_column = excluded.key_column,
    key_type = excluded.key_type,
    company_column = excluded.company_column,
    predicate = excluded.predicate;
