-- what the role that asks may not do, of what an adoption does, each with the grant
select
    format(
        '%%s belongs to role %%I, and triggers, constraints and indexes can only be put there by a member of it',
        string_agg(format('%%I.%%I', n.nspname, c.relname), ', ' order by c.relname),
        o.rolname
    ) as what,
    format('grant %%I to %%I; -- ownership stays as it is; or connect as %%I', o.rolname, current_user, o.rolname) as mend
from pg_catalog.pg_class as c
inner join pg_catalog.pg_namespace as n on c.relnamespace = n.oid
inner join pg_catalog.pg_roles as o on c.relowner = o.oid
where
    n.nspname = %(schema)s
    and c.relname = any(%(names)s::text[])
    and c.relkind in ('r', 'p')
    and not pg_has_role(c.relowner, 'usage')
group by o.rolname
union all
select
    format('%%I may not create in schema %%I, where indexes go', current_user, n.nspname),
    format('grant usage, create on schema %%I to %%I;', n.nspname, current_user)
from pg_catalog.pg_namespace as n
where n.nspname = %(schema)s and not (has_schema_privilege(n.oid, 'usage') and has_schema_privilege(n.oid, 'create'))
union all
select
    format('%%I may not create schema trueup in database %%I', current_user, current_database()),
    format('grant create on database %%I to %%I;', current_database(), current_user)
where to_regnamespace('trueup') is null and not has_database_privilege(current_database(), 'create');
