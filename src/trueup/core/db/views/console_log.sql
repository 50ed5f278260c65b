-- console_log: who did what in the console; for role admin, and its own lines for everybody else

create or replace view trueup.console_log with (security_barrier) as
select
    au.id,
    au.happened_at,
    au.actor,
    au.role,
    au.address,
    au.action,
    au.item_id,
    au.alert_id,
    au.company_id,
    au.details
from trueup.console_audit as au
inner join trueup.console_me as me
    on
        au.actor = me.name
        or (me.role = 'admin' and (me.companies is null or au.company_id = any(me.companies)));
