-- one event of the inbox, with its body
select
    e.id,
    e.company_id,
    e.provider,
    e.event_type,
    e.object_id,
    e.occurred_at,
    e.received_at,
    e.status,
    e.attempt_count,
    case when e.status = 'received' then e.next_attempt_at end as next_attempt_at,
    e.processed_at,
    e.appointment_id,
    e.error,
    e.body
from trueup.webhook_events as e
where e.id = %(event_id)s::bigint;
