select
    q.reason,
    count(*) as items,
    (array_agg(q.entity_type || ' ' || q.entity_id || ': ' || q.description order by q.id))[1] as example
from trueup.manual_review_queue as q
where q.status in ('pending', 'in_progress')
group by q.reason, q.priority
order by q.priority, count(*) desc, q.reason;
