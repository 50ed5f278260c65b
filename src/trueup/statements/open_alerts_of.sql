select al.alert_type as name, al.entity_type, al.entity_id
from trueup.data_consistency_alerts as al
where al.alert_type = any(%(names)s::text[]) and al.status <> 'resolved' and al.entity_type <> 'check';
