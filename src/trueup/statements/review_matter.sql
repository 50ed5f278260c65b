-- what an item is about, as it is now; invariant is NULL when the reason is no check
select
    ch.invariant,
    ch.repair,
    case when ch.id is not null then v.description is not null end as violated,
    v.evidence,
    al.id as alert_id,
    al.status as alert_status
from trueup.manual_review_queue as q
left join trueup.checks as ch on q.reason = ch.name and ch.is_active
left join lateral trueup.violation_under_review(ch.name, q.entity_type, q.entity_id) as v on true
left join trueup.data_consistency_alerts as al
    on
        q.reason = al.alert_type
        and q.entity_type = al.entity_type
        and q.entity_id = al.entity_id
        and al.status <> 'resolved'
where q.id = %(item_id)s::bigint;
