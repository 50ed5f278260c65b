-- alerts_by_check
--
-- The alerts of alerts_open counted, for panels and for `trueup metrics`. A check with
-- nothing open has no row.

create or replace view trueup.alerts_by_check
with (security_invoker = true) as
select
    o.company_id,
    o.check_name,
    o.severity,
    o.status,
    count(*) as alerts,
    min(o.open_since) as oldest_since
from trueup.alerts_open as o
group by o.company_id, o.check_name, o.severity, o.status;

comment on view trueup.alerts_by_check is 'open alerts counted by company, check, severity and status';
comment on column trueup.alerts_by_check.company_id is 'company of the entities; NULL for those of none';
comment on column trueup.alerts_by_check.check_name is 'check that found them';
comment on column trueup.alerts_by_check.severity is 'critical, warning or info';
comment on column trueup.alerts_by_check.status is 'open, acknowledged, snoozed or accepted';
comment on column trueup.alerts_by_check.alerts is 'how many';
comment on column trueup.alerts_by_check.oldest_since is 'since when the oldest of them is open';
