-- what is open of each check; the counts need nothing but the index of open alerts, because
-- one alert of each check tells the severity
select
    o.alert_type as check_name,
    s.severity,
    o.alerts
from (
    select al.alert_type, count(*) as alerts
    from trueup.data_consistency_alerts as al
    where al.status <> 'resolved'
    group by al.alert_type
) as o
cross join lateral (
    select al.severity
    from trueup.data_consistency_alerts as al
    where al.alert_type = o.alert_type and al.status <> 'resolved'
    limit 1
) as s;
