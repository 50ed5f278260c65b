-- appointment_call_mismatch
--
-- invariant:   an undeleted appointment belongs to the customer of its call, unless booked for someone else
-- severity:    warning
-- entity:      appointment
-- changes:     appointments.id, calls.id via call_id
-- population:  appointments where call_id is not null and deleted_at is null
-- prevented:   none: who an appointment is for may become known after the call, and either side may
--              be the wrong one
-- repair:      review
-- cost:        one pass over appointments with a call; their calls by primary key
--
-- Says nothing while either customer is unknown. metadata.booked_for is how the
-- application records that the caller booked for another person.

create or replace view trueup.appointment_call_mismatch as
select
    ka.company_id,
    'appointment' as entity_type,
    ka.id as entity_id,
    'the customer is not the one of the call that made the appointment' as description,
    jsonb_build_object(
        'call_id', ka.call_id,
        'customer_id', ka.customer_id,
        'call_customer_id', c.customer_id
    ) as evidence
from trueup.kept_appointments as ka
inner join public.calls as c on ka.call_id = c.id
where
    c.customer_id <> ka.customer_id
    and c.deleted_at is null
    and ka.metadata ->> 'booked_for' is null;
