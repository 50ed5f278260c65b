-- a migration whose affected checks were counted before and after
with d as (
    insert into trueup.deployments (kind, name, version, finished_at, outcome, detail)
    values ('checks', %(name)s, %(version)s, clock_timestamp(), %(outcome)s, %(detail)s)
    returning id
)

insert into trueup.deployment_checks
    (deployment_id, check_name, violations_before, violations_after, appeared, disappeared)
select
    d.id,
    x.check_name,
    x.before,
    x.after,
    x.appeared,
    x.disappeared
from d
cross join jsonb_to_recordset(%(differences)s::jsonb) as x (
    check_name text, before bigint, after bigint, appeared bigint, disappeared bigint
);
