-- tables that the checks named rest on and nobody follows: a function whose body is a string names them, in
-- full, and neither the view of the check nor its header does
with recursive uses as materialized (
    select
        'pg_class'::regclass::oid as class,
        rw.ev_class as object,
        d.refclassid as used_class,
        d.refobjid as used_object,
        null::text as function
    from pg_catalog.pg_rewrite as rw
    inner join pg_catalog.pg_depend as d on rw.oid = d.objid and d.classid = 'pg_rewrite'::regclass
    union
    select
        d.classid,
        d.objid,
        d.refclassid,
        d.refobjid,
        null
    from pg_catalog.pg_depend as d
    where d.classid in ('pg_proc'::regclass, 'pg_operator'::regclass)
    union
    select
        'pg_proc'::regclass,
        p.oid,
        'pg_class'::regclass,
        to_regclass(m.name[1]),
        p.oid::regprocedure::text
    from pg_catalog.pg_proc as p
    inner join pg_catalog.pg_language as l on p.prolang = l.oid
    cross join lateral regexp_matches(
        regexp_replace(p.prosrc, '--[^\n]*', '', 'g'),
        '(?:"[^"]+"|\m[[:alpha:]_][\w$]*)\.(?:"[^"]+"|[[:alpha:]_][\w$]*)',
        'g'
    ) as m (name)
    where p.prosqlbody is null and l.lanname not in ('internal', 'c')
),

reached (check_name, class, object, function) as (
    select
        ct.name,
        'pg_class'::regclass::oid,
        to_regclass(format('trueup.%%I', ct.name))::oid,
        null::text
    from unnest(%(names)s::text[]) as ct (name)
    union
    select
        r.check_name,
        u.used_class,
        u.used_object,
        coalesce(r.function, u.function)
    from reached as r
    inner join uses as u on r.class = u.class and r.object = u.object
    where
        u.used_class in ('pg_class'::regclass, 'pg_proc'::regclass, 'pg_operator'::regclass)
        and u.used_object is not null
)

select distinct
    r.check_name,
    r.function,
    c.oid::regclass::text as table_name
from reached as r
inner join pg_catalog.pg_class as c on r.object = c.oid and c.relkind in ('r', 'p', 'f', 'm')
inner join pg_catalog.pg_namespace as n on c.relnamespace = n.oid
where
    r.class = 'pg_class'::regclass
    and r.function is not null
    and n.nspname <> 'pg_catalog'
    and not exists (
        select 1
        from trueup.check_tables as ct
        where ct.check_name = r.check_name and to_regclass(ct.table_name) = c.oid
    )
order by r.check_name, r.function, table_name;
