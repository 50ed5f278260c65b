select coalesce(
    (
        select md5(trueup.object_definition(o.kind, o.identity)) = o.definition_checksum
        from trueup.objects as o
        where o.kind = %(kind)s and o.identity = %(identity)s
    ),
    false
);
