-- whose database this is, and what of ours is in it
select
    current_database()::text as database,
    n.oid is not null as has_schema,
    to_regclass('trueup.alembic_version') is not null
    or to_regclass('trueup.checks') is not null
    or not exists (select 1 from pg_catalog.pg_class as c where c.relnamespace = n.oid) as is_ours,
    to_regclass('trueup.constraints') is not null as has_constraints,
    to_regclass('trueup.guards') is not null as has_guards,
    coalesce(pg_has_role(n.nspowner, 'usage'), true) as may_drop
from (select 1) as one
left join pg_catalog.pg_namespace as n on n.nspname = 'trueup';
