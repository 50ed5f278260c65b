-- console_guards: guards, their modes, and of companies and open alerts what who is signed in may see

create or replace view trueup.console_guards with (security_barrier) as
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
        where
            al.alert_type = g.name
            and al.status <> 'resolved'
            and (me.companies is null or al.company_id = any(me.companies))
    ) as open_alerts,
    coalesce(
        (
            select jsonb_object_agg(gc.company_id, gc.mode)
            from trueup.guard_companies as gc
            where gc.guard = g.name and (me.companies is null or gc.company_id = any(me.companies))
        ),
        '{}'
    ) as companies
from trueup.guards as g
inner join trueup.checks as ch on g.name = ch.name
cross join trueup.console_me as me;
