-- event_unprocessed
--
-- invariant:   every webhook event is processed soon after it came, and its company is known
-- severity:    critical
-- entity:      webhook_event
-- changes:     time
-- population:  trueup.webhook_events where status in ('received', 'parked')
-- prevented:   none: whether somebody processes the inbox, and whose a line or a service is, is decided elsewhere
-- repair:      automatic
-- cost:        waiting events only, by webhook_events_unprocessed_idx
--
-- Received longer ago than the setting event_unprocessed_limit, or parked because nothing
-- says which company it concerns, or why its booking cannot become an appointment; error
-- says which. A dead event is not listed: it is in the review queue (reason event_dead).
--
-- Judged by every pass, not by what changed: the index makes that cheap, and a note for
-- every event would cost more than the event.

create or replace view trueup.event_unprocessed as
select
    e.company_id,
    'webhook_event' as entity_type,
    e.id as entity_id,
    case
        when e.status = 'parked' then 'the event waits for somebody who knows what it concerns'
        else 'the event was received and not processed'
    end as description,
    jsonb_build_object(
        'provider', e.provider,
        'event_type', e.event_type,
        'object_id', e.object_id,
        'status', e.status,
        'reason', e.error,
        'received_at', e.received_at
    ) as evidence
from trueup.webhook_events as e
where
    e.status in ('received', 'parked')
    and (
        e.status = 'parked'
        or e.received_at < now() - (
            select st.value::interval from trueup.settings as st where st.name = 'event_unprocessed_limit'
        )
    );
