-- guards, their modes, and what is open of their checks
select
    g.name,
    g.mode,
    g.changed_at,
    g.changed_by,
    ch.invariant,
    (
        select count(*)
        from trueup.data_consistency_alerts as al
        where
            al.alert_type = g.name
            and al.status <> 'resolved'
            and (%(company)s::text is null or al.company_id = %(company)s::text)
    ) as open,
    coalesce(
        (
            select jsonb_object_agg(gc.company_id, gc.mode)
            from trueup.guard_companies as gc
            where
                gc.guard = g.name
                and g.mode <> 'off'
                and (%(company)s::text is null or gc.company_id = %(company)s::text)
        ),
        '{}'
    ) as companies
from trueup.guards as g
inner join trueup.checks as ch on g.name = ch.name
order by array_position(array['off', 'observe', 'enforce'], g.mode), g.name;
