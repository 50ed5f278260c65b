select
    g.name,
    g.mode,
    g.changed_at,
    g.changed_by,
    ch.severity,
    ch.invariant,
    (
        select count(*)
        from trueup.data_consistency_alerts as al
        where al.alert_type = g.name and al.status <> 'resolved'
    ) as open_violations,
    coalesce(
        (
            select jsonb_object_agg(gc.company_id, gc.mode)
            from trueup.guard_companies as gc
            where gc.guard = g.name
        ),
        '{}'
    ) as companies
from trueup.guards as g
inner join trueup.checks as ch on g.name = ch.name
order by g.name;
