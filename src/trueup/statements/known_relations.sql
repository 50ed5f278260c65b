-- what is there before a rehearsal; what it creates itself nobody waits for
select c.oid::bigint
from pg_catalog.pg_class as c
where c.relkind in ('r', 'p', 'v', 'm', 'f') and c.relnamespace <> 'pg_catalog'::regnamespace;
