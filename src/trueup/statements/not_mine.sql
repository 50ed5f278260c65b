-- the tables among these that belong to somebody else than this session
select format('%%I.%%I, owned by %%I', n.nspname, c.relname, pg_get_userbyid(c.relowner)) as text
from pg_catalog.pg_class as c
inner join pg_catalog.pg_namespace as n on c.relnamespace = n.oid
where c.oid = any(%(tables)s::regclass[]) and not pg_has_role(c.relowner, 'usage')
order by text;
