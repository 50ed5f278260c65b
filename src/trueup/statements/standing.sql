-- two counts, so that each reads an index alone, and not the evidence beside it
select
    o.name,
    o.violations,
    coalesce(ac.violations, 0) as accepted
from (
    select
        al.alert_type as name,
        count(*) as violations
    from trueup.data_consistency_alerts as al
    where al.status <> 'resolved'
    group by al.alert_type
) as o
left join (
    select
        al.alert_type as name,
        count(*) as violations
    from trueup.data_consistency_alerts as al
    where al.status = 'acknowledged' and al.accepted_by is not null
    group by al.alert_type
) as ac on o.name = ac.name;
