-- the qualified name of what is there under a name
select format('%%I.%%I', n.nspname, c.relname) as relation
from pg_catalog.pg_class as c
inner join pg_catalog.pg_namespace as n on c.relnamespace = n.oid
where c.oid = to_regclass(%(name)s);
