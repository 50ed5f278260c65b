-- customer_deleted_but_linked
--
-- invariant:   a deleted customer has no live appointment ahead
-- severity:    warning
-- entity:      customer
-- changes:     customers.id, appointments.customer_id, time ends
-- population:  customers where deleted_at is not null
-- prevented:   none: a person may have to be forgotten at once, whatever is booked
-- repair:      review
-- cost:        scans customers; one probe of appointments_customer_id_idx for each deleted one
--
-- Either the deletion or the booking is the mistake; nothing in the data says which.
-- A customer that belongs to no company yet has the appointments of any; own is the same
-- customer, so that the few appointments ahead are read first.
-- The evidence names the last appointment ahead, which does not change as time passes:
-- a list of all would, and so end an acceptance at each one.

create or replace view trueup.customer_deleted_but_linked as
select
    k.company_id,
    'customer' as entity_type,
    k.id as entity_id,
    'deleted, but has an appointment ahead' as description,
    jsonb_build_object(
        'last_appointment_id', (
            select la.id
            from trueup.live_appointments as la
            where
                la.customer_id = k.id
                and (k.company_id is null or la.company_id = k.company_id)
                and la.starts_at > now()
            order by la.starts_at desc, la.id desc
            limit 1
        )
    ) as evidence
from public.customers as k
where
    k.deleted_at is not null
    and exists (
        select 1
        from trueup.live_appointments as la
        inner join public.customers as own on la.customer_id = own.id
        where
            own.id = k.id
            and (own.company_id is null or la.company_id = own.company_id)
            and la.starts_at > now()
    );
