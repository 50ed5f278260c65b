-- booking_events
--
-- What events of the calendar provider say of bookings, in columns: the one place that
-- knows their form. A column is NULL when its value is absent or unreadable. says is the
-- status that the event gives its booking, in the provider's words; a cancellation is
-- one whatever the payload's own status says.
--
-- limit 1 keeps a payload from being decoded once per column.

create or replace view trueup.booking_events as
select
    e.id,
    e.company_id,
    e.status,
    e.event_type,
    e.object_id as booking_uid,
    e.previous_object_id as previous_uid,
    e.named_call_id,
    e.appointment_id,
    e.occurred_at,
    e.body_hash,
    p.payload,
    trueup.bigint_or_null(p.payload ->> 'bookingId') as booking_number,
    trueup.bigint_or_null(p.payload ->> 'eventTypeId') as event_type_id,
    trueup.instant_or_null(p.payload ->> 'startTime') as starts_at,
    coalesce(
        trueup.instant_or_null(p.payload ->> 'endTime'),
        trueup.instant_or_null(p.payload ->> 'startTime')
        + trueup.bigint_or_null(substring(p.payload ->> 'length' from '^[1-9][0-9]{0,3}$')) * interval '1 minute'
    ) as ends_at,
    trueup.instant_or_null(p.payload ->> 'rescheduleStartTime') as old_starts_at,
    case
        when e.event_type = 'BOOKING_CANCELLED' then 'cancelled'
        when e.event_type = 'BOOKING_REJECTED' then 'rejected'
        when e.event_type = 'BOOKING_CONFIRMED' then 'accepted'
        else lower(coalesce(
            trueup.string_or_null(p.payload -> 'status'),
            case e.event_type when 'BOOKING_REQUESTED' then 'pending' else 'accepted' end
        ))
    end as says
from trueup.webhook_events as e
cross join lateral (
    select trueup.decoded(e.body -> 'payload') as payload
    limit 1
) as p
where e.provider = 'calcom';
