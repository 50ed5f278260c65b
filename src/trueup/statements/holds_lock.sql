-- whether this very server process holds our advisory lock
select exists (
    select 1
    from pg_catalog.pg_locks as l
    where
        l.locktype = 'advisory'
        and l.granted
        and l.pid = pg_backend_pid()
        and (l.classid::bigint << 32 | l.objid::bigint) = %(key)s
);
