-- call_link_unproven
--
-- invariant:   a linked call says how, how surely and when, and a phone_match has the customer's number
-- severity:    warning
-- entity:      call
-- changes:     calls.id, customers.id via customer_id
-- population:  calls where customer_link_status = 'linked' and deleted_at is null
-- prevented:   fill calls_fill_customer_link; constraint calls_link_has_provenance;
--              constraint calls_link_confidence_bounded
-- repair:      evidence
-- cost:        one pass over calls; customers are hashed, or read by primary key for one call. A number is
--              brought into its plain form only where it is not written as the customer's
--
-- A link that nothing proves is reported here and not refused: the fill itself leaves
-- confidence NULL then, because an invented one would hide exactly what a person has to
-- see, and because a call must not be lost over it.
--
-- A confidence outside 0 to 100 counts whatever the status, as in its constraint. Linked
-- without a customer is call_linked_without_customer.

create or replace view trueup.call_link_unproven as
select
    c.company_id,
    'call' as entity_type,
    c.id as entity_id,
    'nothing proves the link to the customer' as description,
    jsonb_build_object(
        'customer_id', c.customer_id,
        'customer_link_status', c.customer_link_status,
        'customer_link_method', c.customer_link_method,
        'customer_link_confidence', c.customer_link_confidence,
        'customer_linked_at', c.customer_linked_at,
        'direction', c.direction,
        'from_number', trueup.masked(c.from_number),
        'to_number', trueup.masked(c.to_number),
        'customer_phone', trueup.masked(k.phone)
    ) as evidence,
    c.customer_id
from public.calls as c
left join public.customers as k on c.customer_id = k.id
where
    (
        (
            c.customer_link_status = 'linked'
            and (
                c.customer_link_method is null
                or c.customer_link_confidence is null
                or c.customer_linked_at is null
                or (
                    c.customer_link_method = 'phone_match'
                    -- a number as the customer's is written needs no plain form, and most are
                    and (c.from_number = k.phone_normalized and c.company_id = k.company_id) is not true
                    and not trueup.phone_matches(
                        c.company_id, c.direction, c.from_number, c.to_number, k.company_id, k.phone_normalized
                    )
                )
            )
        )
        or c.customer_link_confidence not between 0 and 100
    )
    and (c.customer_link_status <> 'linked' or c.customer_id is not null)
    and c.deleted_at is null;
