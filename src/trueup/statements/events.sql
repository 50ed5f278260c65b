-- events of the inbox, the newest first
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
    e.error
from trueup.webhook_events as e
where
    (
        %(status)s::text in ('all', e.status)
        or (%(status)s::text = 'open' and e.status in ('received', 'parked', 'dead'))
    )
    and (%(provider)s::text is null or e.provider = %(provider)s::text)
    and (%(object_id)s::text is null or e.object_id = %(object_id)s::text)
    and (%(company)s::text is null or e.company_id::text = %(company)s::text)
order by e.id desc
limit %(limit)s::bigint;
