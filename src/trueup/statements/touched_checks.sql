select f.check_name
from pg_temp.trueup_violations as f
where f.entity_type = %(entity_type)s
union
select al.alert_type
from trueup.data_consistency_alerts as al
where
    al.entity_type = %(entity_type)s
    and al.entity_id = any(%(ids)s::text[])
    and al.status <> 'resolved';
