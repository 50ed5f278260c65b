-- alerts_by_day
--
-- What was opened, came back and was resolved on each of the last 30 days, in the time zone
-- of the session. An alert that came back or was resolved several times counts at the last
-- time only: its row keeps no more.

create or replace view trueup.alerts_by_day
with (security_invoker = true) as
select
    e.happened_at::date as day,
    e.company_id,
    e.check_name,
    e.severity,
    count(*) filter (where e.event = 'opened') as opened,
    count(*) filter (where e.event = 'reopened') as reopened,
    count(*) filter (where e.event = 'resolved') as resolved
from (
    select
        'opened' as event,
        al.detected_at as happened_at,
        al.company_id,
        al.alert_type as check_name,
        al.severity
    from trueup.data_consistency_alerts as al
    where al.detected_at > now() - interval '30 days'
    union all
    select
        'reopened' as event,
        al.reopened_at,
        al.company_id,
        al.alert_type,
        al.severity
    from trueup.data_consistency_alerts as al
    where al.reopened_at > now() - interval '30 days'
    union all
    select
        'resolved' as event,
        al.resolved_at,
        al.company_id,
        al.alert_type,
        al.severity
    from trueup.data_consistency_alerts as al
    where al.status = 'resolved' and al.resolved_at > now() - interval '30 days'
) as e
group by e.happened_at::date, e.company_id, e.check_name, e.severity;

comment on view trueup.alerts_by_day is 'alerts opened, reopened and resolved on each of the last 30 days';
comment on column trueup.alerts_by_day.day is 'day, in the time zone of the session';
comment on column trueup.alerts_by_day.company_id is 'company of the entities; NULL for those of none';
comment on column trueup.alerts_by_day.check_name is 'check that found them';
comment on column trueup.alerts_by_day.severity is 'critical, warning or info';
comment on column trueup.alerts_by_day.opened is 'found for the first time';
comment on column trueup.alerts_by_day.reopened is 'came back, for the last time';
comment on column trueup.alerts_by_day.resolved is 'were gone, or repaired, for the last time';
