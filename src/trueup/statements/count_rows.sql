select greatest(c.reltuples, 0)::bigint
from pg_catalog.pg_class as c
where c.oid = to_regclass(%(table)s);
