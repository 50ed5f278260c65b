-- decided items, the latest first, from after one on
select
    q.id,
    q.company_id,
    q.reason,
    q.entity_type,
    q.entity_id,
    q.description,
    q.severity,
    q.priority,
    q.status,
    q.due_at,
    q.overdue,
    q.snoozed,
    q.snoozed_until,
    q.assigned_to,
    q.claimed_by,
    q.claimed_at,
    q.lease_expires_at,
    q.held,
    q.token,
    q.escalated_at,
    q.decided_by,
    q.decided_at,
    q.resolution_notes,
    q.repair_id,
    q.created_at,
    q.updated_at
from trueup.console_queue as q
where
    q.status = %(status)s::text
    and (%(reason)s::text is null or q.reason = %(reason)s::text)
    and (%(severity)s::text is null or q.severity = %(severity)s::text)
    and (%(priority)s::smallint is null or q.priority = %(priority)s::smallint)
    and (%(company)s::text is null or q.company_id = %(company)s::text)
    and (not %(mine)s::boolean or q.decided_by = %(name)s::text)
    and (
        %(after_id)s::bigint is null
        or (q.decided_at, q.id) < (%(after_due)s::timestamptz, %(after_id)s::bigint)
    )
order by q.decided_at desc, q.id desc
limit %(limit)s::bigint;
