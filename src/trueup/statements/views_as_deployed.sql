-- which of these views are what a deployment left, and not edited by hand since
select o.identity
from trueup.objects as o
where
    o.kind = 'view'
    and o.identity = any(%(identities)s)
    and md5(trueup.object_definition(o.kind, o.identity)) = o.definition_checksum;
