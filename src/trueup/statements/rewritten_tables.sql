-- tables read by this transaction that were written anew after its snapshot was taken: by an ALTER TABLE that
-- rewrites, TRUNCATE, REFRESH MATERIALIZED VIEW, VACUUM FULL or CLUSTER. After the first three the snapshot finds
-- no row in them, old or new. pg_class is read as the snapshot has it, pg_relation_filenode tells what is there
-- now; from the first read on, the lock of this transaction lets nobody write the table anew
select format('%%I.%%I', n.nspname, c.relname)
from pg_catalog.pg_locks as l
inner join pg_catalog.pg_class as c on l.relation = c.oid
inner join pg_catalog.pg_namespace as n on c.relnamespace = n.oid
where
    l.pid = pg_backend_pid()
    and l.locktype = 'relation'
    and c.relkind in ('r', 'm')
    and c.relfilenode <> 0
    and c.relfilenode is distinct from pg_relation_filenode(c.oid)
order by n.nspname, c.relname;
