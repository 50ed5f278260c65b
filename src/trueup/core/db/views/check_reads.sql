-- check_reads
--
-- Which columns of which tables the verdict and the evidence of each active check rest on:
-- what the server knows of the check's view, through other views, through operators and through
-- functions with an SQL-standard body. Of a sequence, what it has given out. Of a table that is
-- read as a whole, or for its number of rows only, these are all columns. Functions whose body is
-- a string hide what they read; those that checks use read nothing, or what the check's header
-- names.

create or replace view trueup.check_reads as
with recursive whole as materialized (
    -- a row taken as one value is a column 0, of which the server records no dependency
    select
        rw.oid as dependent,
        rw.ev_class as object
    from pg_catalog.pg_rewrite as rw
    -- below 16384 are the views of the server itself
    where rw.oid >= 16384 and rw.ev_action::text like '%:varattno 0 %'
    union all
    select
        p.oid as dependent,
        p.oid as object
    from pg_catalog.pg_proc as p
    where p.oid >= 16384 and p.prosqlbody::text like '%:varattno 0 %'
),

reads (check_name, class, object, attribute) as (
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
        case when wh.object is null then d.refobjsubid else 0 end
    from reads as r
    left join pg_catalog.pg_rewrite as rw
        on r.class = 'pg_class'::regclass and r.object = rw.ev_class
    inner join pg_catalog.pg_depend as d
        on
            (d.classid = 'pg_rewrite'::regclass and d.objid = rw.oid)
            or (
                r.class in ('pg_proc'::regclass, 'pg_operator'::regclass)
                and d.classid = r.class
                and d.objid = r.object
            )
    left join whole as wh on d.objid = wh.dependent and r.object = wh.object
    where
        d.refclassid in ('pg_class'::regclass, 'pg_proc'::regclass, 'pg_operator'::regclass)
        and d.refobjid is distinct from r.object
)

select distinct
    r.check_name,
    format('%I.%I', n.nspname, c.relname) as table_name,
    a.attname::text as column_name
from reads as r
inner join pg_catalog.pg_class as c on r.object = c.oid and c.relkind in ('r', 'p', 'f', 'm', 'S')
inner join pg_catalog.pg_namespace as n on c.relnamespace = n.oid
inner join pg_catalog.pg_attribute as a
    on c.oid = a.attrelid and a.attnum > 0 and not a.attisdropped and r.attribute in (0, a.attnum)
where
    r.class = 'pg_class'::regclass
    and n.nspname <> 'pg_catalog';
