select
    al.alert_type as name,
    count(*) as violations,
    count(*) filter (where al.status = 'acknowledged' and al.accepted_by is not null) as accepted
from trueup.data_consistency_alerts as al
where al.status <> 'resolved'
group by al.alert_type;
