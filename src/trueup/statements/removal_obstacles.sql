-- what is not ours and cannot be without something of ours, as `drop ... restrict` would say:
-- a view that reads one of ours, a default that calls a function, a foreign key that needs an index.
-- names: constraints and indexes of ours, which go first; nor are triggers that call a function of ours
with recursive own_indexes as (
    select i.indexrelid as oid
    from pg_catalog.pg_index as i
    inner join pg_catalog.pg_class as c on i.indexrelid = c.oid
    where
        c.relname = any(%(names)s::text[])
        or pg_partition_root(c.oid) in (
            select r.oid from pg_catalog.pg_class as r where r.relkind = 'I' and r.relname = any(%(names)s::text[])
        )
),

reached (classid, objid, objsubid, is_outside) as (
    select 'pg_namespace'::regclass::oid, n.oid, 0, false
    from pg_catalog.pg_namespace as n
    where n.nspname = 'trueup'
    union
    select 'pg_class'::regclass::oid, o.oid, 0, false
    from own_indexes as o
    union
    select
        d.classid,
        d.objid,
        d.objsubid,
        d.deptype = 'n' and home.namespace is not null and home.namespace not in ('trueup', 'pg_toast')
    from reached as r
    inner join pg_catalog.pg_depend as d on r.classid = d.refclassid and r.objid = d.refobjid
    cross join lateral (
        select
            coalesce(
                it.schema,
                (
                    select c.relnamespace::regnamespace::text
                    from pg_catalog.pg_class as c
                    where
                        c.oid in (
                            select t.tgrelid
                            from pg_catalog.pg_trigger as t
                            where d.classid = 'pg_trigger'::regclass and t.oid = d.objid
                            union all
                            select w.ev_class
                            from pg_catalog.pg_rewrite as w
                            where d.classid = 'pg_rewrite'::regclass and w.oid = d.objid
                            union all
                            select a.adrelid
                            from pg_catalog.pg_attrdef as a
                            where d.classid = 'pg_attrdef'::regclass and a.oid = d.objid
                            union all
                            select p.polrelid
                            from pg_catalog.pg_policy as p
                            where d.classid = 'pg_policy'::regclass and p.oid = d.objid
                        )
                )
            ) as namespace
        from pg_identify_object(d.classid, d.objid, d.objsubid) as it
    ) as home
    where
        not r.is_outside
        and not (d.classid = 'pg_class'::regclass and d.objid in (select o.oid from own_indexes as o))
        and not exists (
            select 1
            from pg_catalog.pg_constraint as con
            where d.classid = 'pg_constraint'::regclass and con.oid = d.objid and con.conname = any(%(names)s::text[])
        )
        and not exists (
            select 1
            from pg_catalog.pg_trigger as t
            inner join pg_catalog.pg_proc as p on t.tgfoid = p.oid
            where
                d.classid = 'pg_trigger'::regclass
                and t.oid = d.objid
                and p.pronamespace::regnamespace::text = 'trueup'
        )
)

select distinct pg_describe_object(r.classid, r.objid, r.objsubid) as text
from reached as r
where r.is_outside
order by text;
