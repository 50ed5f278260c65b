select c.relname::text
from pg_catalog.pg_class as c
where
    c.relnamespace = to_regnamespace(%(schema)s)
    and c.relkind in ('r', 'p', 'v', 'm', 'f')
    and c.relname = any(%(names)s::text[])
order by c.relname;
