-- the schemas that hold more than half of these tables, the one with most of them first
select n.nspname::text
from pg_catalog.pg_class as c
inner join pg_catalog.pg_namespace as n on c.relnamespace = n.oid
where
    c.relkind in ('r', 'p', 'v', 'm', 'f')
    and c.relname = any(%(names)s::text[])
    and n.nspname <> 'trueup'
    and n.nspname !~ '^pg_'
group by n.nspname
having count(*) * 2 > cardinality(%(names)s::text[])
order by count(*) desc, n.nspname;
