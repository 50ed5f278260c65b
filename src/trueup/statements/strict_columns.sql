-- columns that every new row must give a value, and that what the host revision expects does not:
-- functions of ours that insert rows leave them out. The expected tables are in pg_temp.
select
    format(
        '%%s.%%I.%%I is not null and has no default: functions and repairs that insert rows there are refused '
        'until it has one',
        %(schema)s::text,
        live.relname,
        lc.attname
    ) as note
from pg_catalog.pg_class as e
inner join pg_catalog.pg_class as live on live.oid = to_regclass(format('%%s.%%I', %(schema)s::text, e.relname))
inner join pg_catalog.pg_attribute as lc on lc.attrelid = live.oid and lc.attnum > 0 and not lc.attisdropped
left join pg_catalog.pg_attribute as ec on ec.attrelid = e.oid and ec.attname = lc.attname
where
    e.relnamespace = pg_my_temp_schema()
    and e.relkind = 'r'
    and e.relname = any(%(names)s::text[])
    and live.relkind in ('r', 'p')
    and lc.attnotnull
    and not lc.atthasdef
    and lc.attidentity = ''
    and (ec.attname is null or ec.atthasdef)
order by live.relname, lc.attnum;
