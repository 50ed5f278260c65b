select al.alert_type as name, al.entity_type, al.entity_id
from trueup.data_consistency_alerts as al
where al.status <> 'resolved' and al.accepted_until < now();
