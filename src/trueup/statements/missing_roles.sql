-- our roles that the cluster has not, or that have no rights in this database, as after a restore
select
    n.name,
    to_regrole(n.name) is not null as is_there
from unnest(array[
    'trueup_owner', 'trueup_runner', 'trueup_reviewer', 'trueup_app', 'trueup_dashboard', 'trueup_console'
]) as n (name)
where
    to_regrole(n.name) is null
    or not exists (
        select 1
        from pg_catalog.pg_namespace as ns
        cross join lateral aclexplode(ns.nspacl) as acl
        where ns.nspname = 'trueup' and acl.grantee = to_regrole(n.name)
    )
order by n.name;
