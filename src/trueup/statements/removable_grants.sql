-- what revokes the rights of our roles outside schema trueup, and the search_path that
-- roles.sql gives the logins of dashboards in this database
with ours as (
    select r.oid, r.rolname
    from pg_catalog.pg_roles as r
    where r.rolname in ('trueup_owner', 'trueup_runner', 'trueup_reviewer', 'trueup_app', 'trueup_dashboard', 'trueup_console')
),

acls as (
    select
        case c.relkind when 'S' then 'sequence ' else '' end || format('%%I.%%I', n.nspname, c.relname) as name,
        c.relowner as owner,
        c.relnamespace as namespace,
        acl.item
    from pg_catalog.pg_class as c
    inner join pg_catalog.pg_namespace as n on c.relnamespace = n.oid
    cross join lateral (
        select unnest(c.relacl) as item
        union all
        select unnest(a.attacl)
        from pg_catalog.pg_attribute as a
        where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
    ) as acl
    where n.nspname <> 'trueup'
    union all
    select format('schema %%I', n.nspname), n.nspowner, n.oid, unnest(n.nspacl)
    from pg_catalog.pg_namespace as n
    where n.nspname <> 'trueup'
    union all
    select format('routine %%s', p.oid::regprocedure), p.proowner, p.pronamespace, unnest(p.proacl)
    from pg_catalog.pg_proc as p
    where p.pronamespace <> coalesce(to_regnamespace('trueup')::oid, 0)
)

select format('revoke all on %%s from %%s', g.name, string_agg(distinct quote_ident(o.rolname), ', ')) as text
from acls as g
cross join lateral aclexplode(array[g.item]) as x
inner join ours as o on x.grantee = o.oid
where x.grantor = g.owner
group by g.name
union all
select format('alter role %%I in database %%I reset search_path', r.rolname, current_database())
from pg_catalog.pg_db_role_setting as s
inner join pg_catalog.pg_roles as r on s.setrole = r.oid
where
    s.setdatabase = (select d.oid from pg_catalog.pg_database as d where d.datname = current_database())
    and exists (select 1 from unnest(s.setconfig) as c (setting) where c.setting ~ '^search_path=trueup, \w+$')
order by text;
