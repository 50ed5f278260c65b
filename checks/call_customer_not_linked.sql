-- call_customer_not_linked
--
-- invariant:   a call with a customer is linked, or waits for a person to say so
-- severity:    warning
-- entity:      call
-- changes:     calls.id
-- population:  calls where customer_id is not null and deleted_at is null
-- prevented:   fill calls_fill_customer_link
-- repair:      automatic
-- cost:        suspect calls by calls_suspect_idx
--
-- Another spelling of pending_review is left alone like the word itself, and so is a word
-- that means nothing: both are call_value_unknown.
--
-- The converse is call_linked_without_customer. How a linked call proves its link is
-- call_link_unproven.

create or replace view trueup.call_customer_not_linked as
select
    c.company_id,
    'call' as entity_type,
    c.id as entity_id,
    'has a customer, but is not linked' as description,
    jsonb_build_object(
        'customer_id', c.customer_id,
        'customer_link_status', c.customer_link_status,
        'customer_link_method', c.customer_link_method,
        'customer_link_confidence', c.customer_link_confidence
    ) as evidence
from trueup.suspect_calls as c
where
    c.customer_id is not null
    and c.customer_link_status <> 'linked'
    and trueup.vocabulary_value('customer_link_status', c.customer_link_status) <> 'pending_review';
