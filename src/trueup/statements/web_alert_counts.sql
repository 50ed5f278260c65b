select
    count(*) filter (where al.status = 'open' and not al.snoozed) as open,
    array(
        select distinct o.alert_type
        from trueup.console_alerts as o
        where o.status <> 'resolved'
        order by o.alert_type
    ) as checks,
    array(
        select distinct o.company_id
        from trueup.console_alerts as o
        where o.status <> 'resolved' and o.company_id is not null
        order by o.company_id
        limit 500
    ) as companies
from trueup.console_alerts as al
where al.status <> 'resolved';
