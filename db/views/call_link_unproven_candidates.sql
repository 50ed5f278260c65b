-- call_link_unproven_candidates
--
-- candidates of: call_link_unproven
--
-- Where a full run looks for call_link_unproven: suspect calls by their index, and of the
-- calls linked by phone_match those whose number is not written as the customer's. Only
-- these are joined with customers, where the view of the check joins all calls.

create or replace view trueup.call_link_unproven_candidates as
select
    'call_link_unproven' as check_name,
    'call' as entity_type,
    s.id as entity_id
from trueup.suspect_calls as s
where
    s.customer_link_status = 'linked'
    or s.customer_link_confidence not between 0 and 100
union all
select
    'call_link_unproven' as check_name,
    'call' as entity_type,
    c.id as entity_id
from public.calls as c
left join public.customers as k on c.customer_id = k.id
where
    c.customer_link_status = 'linked'
    and c.customer_link_method = 'phone_match'
    and (c.from_number = k.phone_normalized and c.company_id = k.company_id) is not true
    and not trueup.phone_matches(
        c.company_id, c.direction, c.from_number, c.to_number, k.company_id, k.phone_normalized
    );
