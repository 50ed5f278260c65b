-- the tables of schema trueup
select format('%%I.%%I', n.nspname, c.relname) as text
from pg_catalog.pg_class as c
inner join pg_catalog.pg_namespace as n on c.relnamespace = n.oid
where n.nspname = 'trueup' and c.relkind in ('r', 'p')
order by text;
