-- violations without an open alert, and open alerts without a violation; of some checks all of both
select
    coalesce(f.check_name, al.alert_type) as name,
    coalesce(f.entity_type, al.entity_type) as entity_type,
    coalesce(f.entity_id, al.entity_id) as entity_id
from (
    select v.check_name, v.entity_type, v.entity_id
    from pg_temp.trueup_violations as v
    where v.check_name = any(%(names)s::text[])
) as f
full join (
    select a.alert_type, a.entity_type, a.entity_id
    from trueup.data_consistency_alerts as a
    where a.alert_type = any(%(names)s::text[]) and a.status <> 'resolved' and a.entity_type <> 'check'
) as al on f.check_name = al.alert_type and f.entity_type = al.entity_type and f.entity_id = al.entity_id
where
    f.entity_id is null
    or al.entity_id is null
    or f.check_name = any(%(followed_by_none)s::text[]);
