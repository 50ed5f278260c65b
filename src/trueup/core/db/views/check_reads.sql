-- check_reads
--
-- Which columns of which tables the verdict and the evidence of each active check rest on:
-- what the server knows of the check's view, through other views and through functions
-- with an SQL-standard body. Functions whose body is a string hide what they read; those
-- that checks use read nothing.

create or replace view trueup.check_reads as
with recursive reads (check_name, class, object, attribute) as (
    select
        ch.name,
        'pg_class'::regclass::oid,
        to_regclass(format('trueup.%I', ch.name))::oid,
        0
    from trueup.checks as ch
    where ch.is_active
    union
    select
        r.check_name,
        d.refclassid,
        d.refobjid,
        d.refobjsubid
    from reads as r
    left join pg_catalog.pg_rewrite as rw
        on r.class = 'pg_class'::regclass and r.object = rw.ev_class
    inner join pg_catalog.pg_depend as d
        on
            (d.classid = 'pg_rewrite'::regclass and d.objid = rw.oid)
            or (r.class = 'pg_proc'::regclass and d.classid = r.class and d.objid = r.object)
    where
        d.refclassid in ('pg_class'::regclass, 'pg_proc'::regclass)
        and d.refobjid is distinct from r.object
)

select distinct
    r.check_name,
    format('%I.%I', n.nspname, c.relname) as table_name,
    a.attname::text as column_name
from reads as r
inner join pg_catalog.pg_class as c on r.object = c.oid and c.relkind in ('r', 'p', 'f')
inner join pg_catalog.pg_namespace as n on c.relnamespace = n.oid
inner join pg_catalog.pg_attribute as a on c.oid = a.attrelid and r.attribute = a.attnum
where
    r.class = 'pg_class'::regclass
    and n.nspname <> 'pg_catalog';
