-- console_queue: the queue, as far as who is signed in may see it
--
-- The token of a claim is there for its holder only.

create or replace view trueup.console_queue with (security_barrier) as
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
    coalesce(q.snoozed_until > clock_timestamp(), false) as snoozed,
    q.snoozed_until,
    q.assigned_to,
    q.claimed_by,
    q.claimed_at,
    q.lease_expires_at,
    coalesce(q.lease_expires_at > clock_timestamp(), false) as held,
    case when q.status = 'in_progress' and q.claimed_by = me.name then q.claim_token end as token,
    q.escalated_at,
    q.decided_by,
    q.decided_at,
    q.resolution_notes,
    q.repair_id,
    q.created_at,
    q.updated_at
from trueup.manual_review_queue as q
inner join trueup.console_me as me on me.companies is null or q.company_id = any(me.companies);
