-- every view, function and trigger of ours that is there, with what creates it as it is
select
    o.kind,
    o.identity,
    o.file,
    o.file_checksum,
    case o.kind
        when 'view' then format(
            'create view %%s %%s as %%s',
            o.identity,
            (
                select format('with (%%s)', array_to_string(c.reloptions, ', '))
                from pg_catalog.pg_class as c
                where c.oid = to_regclass(o.identity) and c.reloptions is not null
            ),
            live.definition
        )
        else live.definition
    end as up
from trueup.objects as o
cross join lateral (select trueup.object_definition(o.kind, o.identity) as definition) as live
where live.definition is not null
order by o.kind = 'trigger', o.id;
