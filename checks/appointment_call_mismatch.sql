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
-- cost:        appointments and flagged calls, two indexes in order (as in unflagged_calls)
--
-- Says nothing while either customer is unknown. metadata.booked_for is how the
-- application records that the caller booked for another person.

create or replace view trueup.appointment_call_mismatch as
select
    ka.company_id,
    'appointment' as entity_type,
    doubtful.appointment_id as entity_id,
    'the customer is not the one of the call that made the appointment' as description,
    jsonb_build_object(
        'call_id', ka.call_id,
        'customer_id', ka.customer_id,
        'call_customer_id', c.customer_id
    ) as evidence
from (
    select own.id as appointment_id
    from trueup.kept_appointments as own
    left join public.calls as f on own.call_id = f.id and f.appointment_made
    where
        own.call_id is not null
        and case when f.id is null or f.customer_id <> own.customer_id then 1 end = 1
    group by own.id
) as doubtful
inner join trueup.kept_appointments as ka on doubtful.appointment_id = ka.id
inner join public.calls as c on ka.call_id = c.id
where
    c.customer_id <> ka.customer_id
    and c.deleted_at is null
    and ka.metadata ->> 'booked_for' is null;
