-- views and functions in schema trueup that no file of ours creates
select s.kind, s.identity
from (
    select 'view' as kind, 'trueup.' || c.relname as identity, c.oid, 'pg_class'::regclass as class
    from pg_catalog.pg_class as c
    where c.relnamespace = 'trueup'::regnamespace and c.relkind in ('v', 'm')
    union
    select 'function', 'trueup.' || p.proname, p.oid, 'pg_proc'::regclass
    from pg_catalog.pg_proc as p
    where p.pronamespace = 'trueup'::regnamespace
) as s
where
    not exists (
        select 1
        from pg_catalog.pg_depend as d
        where d.objid = s.oid and d.classid = s.class and d.deptype = 'e'
    )
    and not (s.kind || ' ' || s.identity) = any(%(known)s::text[])
order by s.kind, s.identity;
