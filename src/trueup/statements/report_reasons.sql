-- what waits for people, by reason, that of the oldest and most urgent first
select
    q.reason,
    min(q.priority)::integer as priority,
    count(*) as items,
    count(*) filter (
        where q.due_at < %(taken_at)s and coalesce(q.snoozed_until <= %(taken_at)s, true)
    ) as overdue,
    min(q.created_at) as oldest_at,
    min(q.due_at) as due_at,
    (array_agg(q.id order by q.priority, q.due_at, q.id))[:3] as example_ids
from trueup.manual_review_queue as q
where
    q.status in ('pending', 'in_progress')
    and (%(company)s::text is null or q.company_id = %(company)s::text)
group by q.reason
order by overdue desc, items desc, q.reason;
