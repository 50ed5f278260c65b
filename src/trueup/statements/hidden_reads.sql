-- tables that the checks named rest on and nobody follows: a function whose body is a string names them, in
-- full, and neither the view of the check nor its header does
with recursive reached (check_name, class, object, function) as (
    select
        ct.name,
        'pg_class'::regclass::oid,
        to_regclass(format('trueup.%%I', ct.name))::oid,
        null::text
    from unnest(%(names)s::text[]) as ct (name)
    union
    select
        r.check_name,
        named.class,
        named.object,
        coalesce(r.function, named.function)
    from reached as r
    cross join lateral (
        select
            d.refclassid as class,
            d.refobjid as object,
            null::text as function
        from pg_catalog.pg_depend as d
        left join pg_catalog.pg_rewrite as rw on d.classid = 'pg_rewrite'::regclass and d.objid = rw.oid
        where
            d.refclassid in ('pg_class'::regclass, 'pg_proc'::regclass)
            and (
                (r.class = 'pg_class'::regclass and r.object = rw.ev_class)
                or (r.class = 'pg_proc'::regclass and r.class = d.classid and r.object = d.objid)
            )
        union all
        select
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
        where
            r.class = 'pg_proc'::regclass
            and p.oid = r.object
            and p.prosqlbody is null
            and l.lanname not in ('internal', 'c')
    ) as named
    where named.object is not null
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
