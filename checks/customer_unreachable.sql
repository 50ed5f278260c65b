-- customer_unreachable
--
-- invariant:   a customer with a live appointment ahead has a usable phone number or e-mail address
-- severity:    warning
-- entity:      customer
-- changes:     customers.id, appointments.customer_id, time ends
-- population:  customers where deleted_at is null
-- prevented:   none: somebody who withholds every contact may still book
-- repair:      review
-- cost:        all of appointments_customer_id_idx, for the appointments ahead; one probe of customers_pkey for
--              each of these
--
-- Usable is what trueup.usable_phone and trueup.usable_email say; a placeholder is not.
-- A customer that belongs to no company yet has the appointments of any; own is the same
-- customer, so that the few appointments ahead are read first.
-- The evidence names the last appointment ahead, which does not change as time passes:
-- a list of all would, and so end an acceptance at each one.

create or replace view trueup.customer_unreachable as
select
    k.company_id,
    'customer' as entity_type,
    k.id as entity_id,
    'has an appointment ahead, and neither a usable phone number nor a usable e-mail address' as description,
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
        ),
        'phone', trueup.masked(k.phone),
        'email', trueup.masked(k.email)
    ) as evidence
from public.customers as k
where
    k.deleted_at is null
    and not trueup.usable_phone(k.phone)
    and not trueup.usable_email(k.email)
    and exists (
        select 1
        from trueup.live_appointments as la
        inner join public.customers as own on la.customer_id = own.id
        where
            own.id = k.id
            and (own.company_id is null or la.company_id = own.company_id)
            and la.starts_at > now()
    );
