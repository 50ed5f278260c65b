-- call_linked_without_customer
--
-- invariant:   a call that is linked to a customer names that customer
-- severity:    critical
-- entity:      call
-- changes:     calls.id
-- population:  calls where customer_link_status = 'linked' and deleted_at is null
-- prevented:   fill calls_fill_customer_link; constraint calls_linked_has_customer
-- repair:      automatic
-- cost:        suspect calls by calls_suspect_idx
--
-- The converse is call_customer_not_linked. That the customer exists, in the same
-- company, is tenant_mismatch.

create or replace view trueup.call_linked_without_customer as
select
    c.company_id,
    'call' as entity_type,
    c.id as entity_id,
    'is linked to a customer and names none' as description,
    jsonb_build_object(
        'customer_link_method', c.customer_link_method,
        'customer_link_confidence', c.customer_link_confidence,
        'customer_linked_at', c.customer_linked_at,
        'from_number', trueup.masked(c.from_number)
    ) as evidence
from trueup.suspect_calls as c
where
    c.customer_link_status = 'linked'
    and c.customer_id is null;
