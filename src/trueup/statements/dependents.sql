-- the views, functions and triggers that rest on columns of tables, directly or through one
-- another, with what drops each and what puts it back as it is; the farthest first
--
-- run with an empty search_path, so that every name is printed in full
with recursive edges as (
    select
        case d.refclassid when 'pg_type'::regclass then 'pg_class'::regclass::oid else d.refclassid end as source_class,
        case d.refclassid when 'pg_type'::regclass then coalesce(nullif(t.typrelid, 0), e.typrelid) else d.refobjid end as source,
        d.refobjsubid as source_column,
        case d.classid when 'pg_rewrite'::regclass then 'pg_class'::regclass::oid else d.classid end as target_class,
        coalesce(r.ev_class, d.objid) as target
    from pg_catalog.pg_depend as d
    left join pg_catalog.pg_rewrite as r on d.classid = 'pg_rewrite'::regclass and d.objid = r.oid
    left join pg_catalog.pg_type as t on d.refclassid = 'pg_type'::regclass and d.refobjid = t.oid
    left join pg_catalog.pg_type as e on t.typelem = e.oid
    where
        d.classid in ('pg_rewrite'::regclass, 'pg_proc'::regclass, 'pg_trigger'::regclass)
        and d.refclassid in ('pg_class'::regclass, 'pg_proc'::regclass, 'pg_type'::regclass)
        and d.refobjid is distinct from coalesce(r.ev_class, d.objid)
),

found as (
    select
        e.target_class,
        e.target,
        1 as depth
    from edges as e
    inner join pg_catalog.pg_attribute as a on e.source = a.attrelid and e.source_column = a.attnum
    where
        e.source_class = 'pg_class'::regclass
        and e.source = any(%(tables)s::regclass[])
        and (cardinality(%(columns)s::text[]) = 0 or a.attname = any(%(columns)s::text[]))
    union
    select
        e.target_class,
        e.target,
        f.depth + 1
    from found as f
    inner join edges as e on f.target_class = e.source_class and f.target = e.source
    where f.depth < 60
),

nodes as (
    select
        f.target_class,
        f.target,
        max(f.depth) as depth
    from found as f
    group by f.target_class, f.target
),

described as (
    select
        n.depth,
        'view' as kind,
        format('%%I.%%I', s.nspname, c.relname) as identity,
        s.nspname = 'trueup' as is_ours,
        format('drop view %%I.%%I', s.nspname, c.relname) as down,
        format(
            'create view %%I.%%I%%s as %%s',
            s.nspname, c.relname,
            case when c.reloptions is null then '' else format(' with (%%s)', array_to_string(c.reloptions, ', ')) end,
            rtrim(pg_get_viewdef(c.oid), ';')
        ) as up,
        format('view %%I.%%I', s.nspname, c.relname) as named,
        format('%%I.%%I', s.nspname, c.relname) as granted,
        c.relowner as owner,
        c.relacl as acl,
        obj_description(c.oid, 'pg_class') as remark
    from nodes as n
    inner join pg_catalog.pg_class as c on n.target = c.oid
    inner join pg_catalog.pg_namespace as s on c.relnamespace = s.oid
    where n.target_class = 'pg_class'::regclass
    union all
    select
        n.depth,
        'function',
        format('%%I.%%I', s.nspname, p.proname),
        s.nspname = 'trueup',
        format('drop routine %%s', p.oid::regprocedure),
        pg_get_functiondef(p.oid),
        format('routine %%s', p.oid::regprocedure),
        format('routine %%s', p.oid::regprocedure),
        p.proowner,
        p.proacl,
        obj_description(p.oid, 'pg_proc')
    from nodes as n
    inner join pg_catalog.pg_proc as p on n.target = p.oid
    inner join pg_catalog.pg_namespace as s on p.pronamespace = s.oid
    where n.target_class = 'pg_proc'::regclass
    union all
    select
        n.depth,
        'trigger',
        format('%%I on %%s', t.tgname, t.tgrelid::regclass),
        p.pronamespace = 'trueup'::regnamespace,
        format('drop trigger %%I on %%s', t.tgname, t.tgrelid::regclass),
        pg_get_triggerdef(t.oid)
        || case t.tgenabled
            when 'D' then format('; alter table %%s disable trigger %%I', t.tgrelid::regclass, t.tgname)
            when 'A' then format('; alter table %%s enable always trigger %%I', t.tgrelid::regclass, t.tgname)
            when 'R' then format('; alter table %%s enable replica trigger %%I', t.tgrelid::regclass, t.tgname)
            else ''
        end,
        format('trigger %%I on %%s', t.tgname, t.tgrelid::regclass),
        null,
        null,
        null,
        obj_description(t.oid, 'pg_trigger')
    from nodes as n
    inner join pg_catalog.pg_trigger as t on n.target = t.oid
    inner join pg_catalog.pg_proc as p on t.tgfoid = p.oid
    where
        n.target_class = 'pg_trigger'::regclass
        and not t.tgisinternal
        -- of a partition: it comes and goes with that of the parent
        and t.tgparentid = 0
)

select
    d.kind,
    d.identity,
    d.is_ours,
    d.down,
    d.up
    || coalesce(
        (
            select format(E';\nalter %%s owner to %%I', d.named, o.rolname)
            from pg_catalog.pg_roles as o
            where o.oid = d.owner and o.rolname <> current_user
        ),
        ''
    )
    || coalesce(
        case when d.acl is not null then format(E';\nrevoke all on %%s from public', d.granted) end
        || (
            select
                string_agg(
                    format(
                        E';\ngrant %%s on %%s to %%s%%s',
                        g.privilege_type, d.granted,
                        case g.grantee when 0 then 'public' else quote_ident(o.rolname) end,
                        case when g.is_grantable then ' with grant option' else '' end
                    ), '' order by o.rolname, g.privilege_type
                )
            from aclexplode(d.acl) as g
            left join pg_catalog.pg_roles as o on g.grantee = o.oid
            where g.grantee <> d.owner
        ),
        case when d.acl is not null then format(E';\nrevoke all on %%s from public', d.granted) end,
        ''
    )
    || case when d.remark is null then '' else format(E';\ncomment on %%s is %%L', d.named, d.remark) end as up
from described as d
order by d.depth desc, d.kind, d.identity;
