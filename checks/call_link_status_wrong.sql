-- call_link_status_wrong
--
-- invariant:   the link status of a call without a customer follows from the name given and the number shown
-- severity:    warning
-- entity:      call
-- changes:     calls.id
-- population:  calls where customer_id is null and deleted_at is null
-- prevented:   fill calls_fill_customer_link
-- repair:      automatic
-- cost:        one pass over calls; the stop list is probed for each without a customer, some 10 µs
--
-- Rule K (trueup.link_status_without_customer): a usable name comes before a withheld
-- number. A fragment of speech is no name here either, so that the repair of
-- call_transcript_name, which clears it, changes nothing about this verdict.
--
-- Left alone: pending_review and failed, which somebody set and no rule can find out;
-- linked, which is call_linked_without_customer.

create or replace view trueup.call_link_status_wrong as
select
    c.company_id,
    'call' as entity_type,
    c.id as entity_id,
    'has no customer, and a link status that name and number do not bear out' as description,
    jsonb_build_object(
        'customer_link_status', c.customer_link_status,
        'expected_status', trueup.link_status_without_customer(c.company_id, c.customer_name, c.from_number),
        'from_number', trueup.masked(c.from_number)
    ) as evidence
from public.calls as c
where
    c.customer_id is null
    and c.customer_link_status not in ('linked', 'pending_review', 'failed')
    and c.customer_link_status <> trueup.link_status_without_customer(c.company_id, c.customer_name, c.from_number)
    and c.deleted_at is null;
