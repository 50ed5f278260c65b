-- event_double_encoded
--
-- invariant:   a jsonb column holds JSON, not a string that holds JSON
-- severity:    warning
-- entity:      call, appointment, webhook_event
-- changes:     calls.id, appointments.id, trueup.webhook_events.id
-- population:  calls; appointments; trueup.webhook_events
-- prevented:   fill calls_fill_decoded; fill appointments_fill_decoded; constraint calls_booking_details_decoded;
--              constraint calls_metadata_decoded; constraint appointments_metadata_decoded
-- repair:      automatic
-- cost:        one scan of calls and one of appointments: an index on metadata would keep its updates
--              from being HOT; stored events by webhook_events_encoded_idx
--
-- The columns are booking_details and metadata of a call, metadata of an appointment,
-- body of an event. Listed is a string whose text begins like an object or an array,
-- however often it was encoded; any other string is a value. Readers of ours decode what
-- they read, so nothing else of such a row is wrong.

create or replace view trueup.event_double_encoded as
select
    c.company_id,
    'call' as entity_type,
    c.id as entity_id,
    'JSON is stored as a string' as description,
    jsonb_build_object(
        'booking_details', coalesce(trueup.double_encoded(c.booking_details), false),
        'metadata', trueup.double_encoded(c.metadata)
    ) as evidence
from public.calls as c
where trueup.double_encoded(c.booking_details) or trueup.double_encoded(c.metadata)
union all
select
    a.company_id,
    'appointment' as entity_type,
    a.id as entity_id,
    'JSON is stored as a string' as description,
    jsonb_build_object('metadata', true) as evidence
from public.appointments as a
where trueup.double_encoded(a.metadata)
union all
select
    e.company_id,
    'webhook_event' as entity_type,
    e.id as entity_id,
    'JSON is stored as a string' as description,
    jsonb_build_object('body', true) as evidence
from trueup.webhook_events as e
where case when jsonb_typeof(e.body) = 'string' then 1 end = 1;
