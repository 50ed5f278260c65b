-- what there is to file of some entities for these checks: violations, alerts that are not resolved, and
-- questions to people that are open
select
    f.check_name as name,
    f.entity_type,
    f.entity_id,
    true as is_violation
from pg_temp.trueup_violations as f
where f.check_name = any(%(names)s::text[])
union all
select
    al.alert_type,
    al.entity_type,
    al.entity_id,
    false
from unnest(%(entity_types)s::text[], %(entity_ids)s::text[]) as e (entity_type, entity_id)
inner join trueup.data_consistency_alerts as al
    on e.entity_type = al.entity_type and e.entity_id = al.entity_id
where al.alert_type = any(%(names)s::text[]) and al.status <> 'resolved'
union all
select
    q.reason,
    q.entity_type,
    q.entity_id,
    false
from unnest(%(entity_types)s::text[], %(entity_ids)s::text[]) as e (entity_type, entity_id)
inner join trueup.manual_review_queue as q
    on e.entity_type = q.entity_type and e.entity_id = q.entity_id
where q.reason = any(%(names)s::text[]) and q.status in ('pending', 'in_progress');
