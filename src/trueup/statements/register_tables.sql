-- a revision that drops a table of ours deletes its row here
insert into trueup.tables (name)
select c.relname
from pg_catalog.pg_class as c
where
    c.relnamespace = 'trueup'::regnamespace
    and c.relkind in ('r', 'p')
    and not exists (select 1 from trueup.tables as t where t.name = c.relname)
order by c.oid;
