-- what was put back as it was may be printed otherwise over a column of another type
update trueup.objects as o
set definition_checksum = md5(trueup.object_definition(o.kind, o.identity))
where o.kind = %(kind)s and o.identity = %(identity)s;
