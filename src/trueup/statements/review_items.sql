-- queue items, those that wait first
select
    q.id,
    q.company_id,
    q.reason,
    q.entity_type,
    q.entity_id,
    q.description,
    q.metadata,
    q.severity,
    q.priority,
    q.status,
    q.due_at,
    q.status in ('pending', 'in_progress') and q.due_at < clock_timestamp()
    and (q.snoozed_until is null or q.snoozed_until <= clock_timestamp()) as overdue,
    q.snoozed_until,
    q.assigned_to,
    q.claimed_by,
    q.claimed_at,
    q.lease_expires_at,
    coalesce(q.lease_expires_at > clock_timestamp(), false) as held,
    q.escalated_at,
    q.decided_by,
    q.decided_at,
    q.resolution_notes,
    q.repair_id,
    q.created_at,
    q.updated_at
from trueup.manual_review_queue as q
where
    (
        %(status)s::text in ('all', q.status)
        or (%(status)s::text = 'open' and q.status in ('pending', 'in_progress'))
    )
    and (%(reason)s::text is null or q.reason = %(reason)s::text)
    and (%(reviewer)s::text is null or %(reviewer)s::text in (q.claimed_by, q.assigned_to))
    and (%(company)s::text is null or q.company_id = %(company)s::text)
    and (%(item_id)s::bigint is null or q.id = %(item_id)s::bigint)
order by q.decided_at desc nulls first, q.priority, q.due_at, q.id
limit %(limit)s::bigint;
