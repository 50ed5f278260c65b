-- what was deployed before definitions were kept, or came back over a column of another type
update trueup.objects as o
set definition = live.definition
from (
    select
        x.id,
        trueup.object_definition(x.kind, x.identity) as definition
    from trueup.objects as x
    where x.definition is null or md5(x.definition) <> x.definition_checksum
) as live
where o.id = live.id and md5(live.definition) = o.definition_checksum;
