-- which of these views are what a deployment left, not edited by hand since, and of the file as it is now
select f.name
from unnest(%(names)s::text[], %(checksums)s::text[]) as f (name, checksum)
inner join trueup.objects as o
    on o.kind = 'view' and o.identity = 'trueup.' || f.name and f.checksum = o.file_checksum
where md5(trueup.object_definition(o.kind, o.identity)) = o.definition_checksum;
