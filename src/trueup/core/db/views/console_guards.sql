-- console_guards: guards and their modes, with the open alerts that who is signed in may see

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
    ) as open_alerts
from trueup.guards as g
inner join trueup.checks as ch on g.name = ch.name
cross join trueup.console_me as me;
