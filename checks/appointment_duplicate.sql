-- appointment_duplicate
--
-- invariant:   a customer has one live appointment for a service at a time
-- severity:    warning
-- entity:      appointment
-- changes:     appointments.id with duplicate_ids
-- population:  appointments where customer_id is not null and deleted_at is null and status <> 'cancelled'
-- prevented:   none: two bookings that differ by minutes have different idempotency keys, and both may
--              be meant
-- repair:      review
-- cost:        one pass over live appointments by their start (appointment_duplicate_candidates); of
--              some a probe of appointments_customer_id_idx each
--
-- At a time: starts within the setting duplicate_appointment_window of each other. Each
-- appointment of the pair is listed. No service is a service, as it is for the
-- idempotency key; who it is booked for is a difference, or a mother who books for two
-- children would be a duplicate.

create or replace view trueup.appointment_duplicate as
select
    la.company_id,
    'appointment' as entity_type,
    la.id as entity_id,
    'the customer has another live appointment for the same service at nearly the same time' as description,
    jsonb_build_object(
        'customer_id', la.customer_id,
        'service_id', la.service_id,
        'starts_at', la.starts_at,
        'source', la.source,
        'duplicate_ids', o.ids
    ) as evidence
from trueup.live_appointments as la
cross join lateral (
    select array_agg(other.id order by other.id) as ids
    from trueup.live_appointments as other
    where
        other.company_id = la.company_id
        and other.customer_id = la.customer_id
        and other.service_id is not distinct from la.service_id
        and other.metadata ->> 'booked_for' is not distinct from la.metadata ->> 'booked_for'
        and other.id <> la.id
        and other.starts_at >= la.starts_at - (
            select st.value::interval
            from trueup.settings as st
            where st.name = 'duplicate_appointment_window'
        )
        and other.starts_at <= la.starts_at + (
            select st.value::interval
            from trueup.settings as st
            where st.name = 'duplicate_appointment_window'
        )
) as o
where
    la.customer_id is not null
    and o.ids is not null;
