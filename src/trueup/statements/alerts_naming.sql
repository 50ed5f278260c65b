-- open alerts of a check that name one of these entities besides their own
select al.entity_id
from trueup.data_consistency_alerts as al
where
    al.alert_type = %(name)s
    and al.entity_type = %(entity_type)s
    and al.status <> 'resolved'
    and al.related && %(ids)s::text[];
