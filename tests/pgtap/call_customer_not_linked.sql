-- call_customer_not_linked: the fill, the check, then the repair

begin;
select plan(13);

select factory.company(1);
select factory.customer(id => 1, phone => '+491701111111');

-- fill
select factory.call(id => 1, customer_id => 1, customer_link_status => 'failed');
select is(
    (select c.customer_link_status from public.calls as c where c.id = 1), 'linked',
    'a call with a customer is linked'
);

-- check
set constraints all immediate;
select factory.behind_the_back(true);
select factory.call(id => 11, customer_id => 1, from_number => '+491701111111');
select factory.call(
    id => 12, customer_id => 1, from_number => 'anonymous', customer_link_status => 'anonymous',
    customer_link_method => 'manual_link', customer_link_confidence => 70, customer_linked_at => '2025-10-20 09:00:00+00'
);
select factory.call(id => 13, customer_id => 1, customer_link_status => 'failed');
select factory.call(
    id => 14, customer_id => 1, customer_link_method => 'phone_match', customer_link_confidence => 100,
    customer_linked_at => '2025-10-20 09:00:00+00'
);
select factory.call(id => 15, customer_id => 1, customer_link_status => 'pending_review');
select factory.call(id => 16, customer_id => 1, deleted_at => '2025-10-21 09:00:00+00');
select factory.call(id => 17);
select factory.behind_the_back(false);

select set_eq(
    'select entity_id from trueup.call_customer_not_linked', array[11, 12, 13, 14]::bigint[],
    'the check lists them; not what waits for a person, nor a deleted call, nor one without a customer'
);

-- repair
select is((trueup.repair_call_customer_not_linked(11)).outcome, 'corrected', 'the number proves it');
select results_eq(
    $$
    select c.customer_link_status, c.customer_link_method, c.customer_link_confidence, c.customer_linked_at
    from public.calls as c where c.id = 11
    $$,
    $$values ('linked', 'phone_match', 100.00, now())$$,
    'linked by it'
);
select is((trueup.repair_call_customer_not_linked(12)).outcome, 'corrected', 'so does what a person wrote');
select results_eq(
    $$
    select c.customer_link_status, c.customer_link_method, c.customer_link_confidence, c.customer_linked_at
    from public.calls as c where c.id = 12
    $$,
    $$values ('linked', 'manual_link', 70.00, timestamptz '2025-10-20 09:00:00+00')$$,
    'which stays'
);
select is((trueup.repair_call_customer_not_linked(13)).outcome, 'review', 'without a proof a person decides');
select is(
    (select c.customer_link_status from public.calls as c where c.id = 13), 'failed',
    'and nothing is changed'
);
select is(
    (trueup.repair_call_customer_not_linked(14)).outcome, 'review',
    'a phone_match of another number is no proof'
);
select set_eq(
    'select entity_id from trueup.call_customer_not_linked', array[13, 14]::bigint[],
    'both are still reported'
);
select is_empty(
    'select 1 from trueup.call_link_unproven where entity_id in (11, 12)',
    'what was linked is proven'
);
select is_empty(
    'select 1 from trueup.call_link_status_wrong',
    'and rule K is not asked while there is a customer'
);

-- words outside the vocabulary
select factory.legacy('calls_customer_link_status_vocabulary');
select factory.behind_the_back(true);
select factory.call(
    id => 21, customer_id => 1, from_number => '+491701111111', customer_link_status => 'Pending_Review'
);
select factory.call(id => 22, customer_id => 1, from_number => '+491701111111', customer_link_status => 'in doubt');
select factory.call(id => 23, customer_id => 1, from_number => '+491701111111', customer_link_status => 'Unlinked');
select factory.behind_the_back(false);
select set_eq(
    'select entity_id from trueup.call_customer_not_linked where entity_id > 20', array[23]::bigint[],
    'what waits for a person is left alone however it is spelled, and so is a word that nobody knows'
);

select * from finish();
rollback;
