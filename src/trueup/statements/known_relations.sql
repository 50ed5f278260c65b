-- what is there before a rehearsal, as an array's text; what it creates itself nobody waits for
select array_agg(c.oid)::text
from pg_catalog.pg_class as c
where c.relkind in ('r', 'p', 'v', 'm', 'f') and c.relnamespace <> 'pg_catalog'::regnamespace;
