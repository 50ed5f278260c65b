-- the constraints and indexes that a deployment of ours began to add last, and nobody knows how far it came
select last.name
from (
    select distinct on (d.name)
        d.name,
        d.outcome
    from trueup.deployments as d
    where d.kind = 'constraint'
    order by d.name, d.id desc
) as last
where last.outcome in ('running', 'interrupted');
