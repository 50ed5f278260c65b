-- tables that the checks named rest on and nobody follows: a function whose body is a string names them, in
-- full or by its own search_path, and neither the view of the check nor its header does
with recursive bodies as materialized (
    select
        p.oid,
        regexp_replace(p.prosrc, '--[^\n]*', '', 'g') as body,
        array(
            select btrim(path.name, ' "')
            from unnest(p.proconfig) as c (setting)
            cross join lateral string_to_table(substr(c.setting, length('search_path=') + 1), ',') as path (name)
            where starts_with(c.setting, 'search_path=')
        ) as schemas
    from pg_catalog.pg_proc as p
    inner join pg_catalog.pg_language as l on p.prolang = l.oid
    -- below 16384 are the functions of the server itself
    where p.oid >= 16384 and p.prosqlbody is null and l.lanname not in ('internal', 'c')
),

uses as materialized (
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
        b.oid,
        'pg_class'::regclass,
        to_regclass(m.name[1]),
        b.oid::regprocedure::text
    from bodies as b
    cross join lateral regexp_matches(
        b.body, '(?:"[^"]+"|\m[[:alpha:]_][\w$]*)\.(?:"[^"]+"|[[:alpha:]_][\w$]*)', 'g'
    ) as m (name)
    union
    select
        'pg_proc'::regclass,
        b.oid,
        'pg_class'::regclass,
        to_regclass(format('%%I.%%s', path.name, m.name[1])),
        b.oid::regprocedure::text
    from bodies as b
    cross join lateral regexp_matches(
        b.body, '\m(?:from|join)\s+("[^"]+"|[[:alpha:]_][\w$]*)(?!\s*[.(]|[\w$])', 'gi'
    ) as m (name)
    cross join lateral unnest(case when b.schemas = '{}' then array['public'] else b.schemas end) as path (name)
    where path.name <> ''
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
