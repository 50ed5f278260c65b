select count(*)
from pg_temp.trueup_violations as f
inner join trueup.data_consistency_alerts as al
    on
        f.check_name = al.alert_type
        and f.entity_type = al.entity_type
        and f.entity_id = al.entity_id
where f.check_name = %(name)s and al.status = 'acknowledged' and al.accepted_by is not null;
