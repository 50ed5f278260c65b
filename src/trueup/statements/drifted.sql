-- what the catalogue holds of ours that is not as it was deployed, beside what was
select
    o.kind,
    o.identity,
    o.file,
    os.state,
    o.definition as deployed,
    trueup.object_definition(o.kind, o.identity) as live
from trueup.object_states as os
inner join trueup.objects as o on os.id = o.id
where os.state <> 'deployed'
order by o.file, o.kind, o.identity;
