-- call_link_unproven: the fill, the constraints, the check, then the repair

begin;
select plan(26);

select factory.company(1);
select factory.company(2);
select factory.customer(id => 1, phone => '+49 170 1111111');
select factory.customer(id => 2);
select factory.customer(id => 3, company_id => 2, phone => '+491703333333');
select factory.customer(id => 4, phone => '+491704444444');
set constraints all immediate;

-- fill: completed where proven, reported where not
select factory.call(id => 1, customer_id => 1, from_number => '0049 170 1111111');
select is_empty('select 1 from trueup.call_link_unproven', 'a number that matches proves the link');
select factory.call(id => 2, customer_id => 1);
select set_eq(
    'select entity_id from trueup.call_link_unproven', array[2]::bigint[],
    'a link that nothing proves is stored, and reported'
);
select results_eq(
    'select evidence from trueup.call_link_unproven where entity_id = 2',
    $$
    select jsonb_build_object(
        'customer_id', 1, 'customer_link_status', 'linked', 'customer_link_method', 'unknown',
        'customer_link_confidence', null, 'customer_linked_at', now(), 'direction', 'inbound',
        'from_number', '+4***00', 'to_number', '+4***00', 'customer_phone', '+4***11'
    )
    $$,
    'with numbers masked'
);
update public.calls set customer_link_method = 'manual_link', customer_link_confidence = 0 where id = 2;
select is_empty('select 1 from trueup.call_link_unproven', 'near miss: a person who is not sure has said so');
update public.calls set customer_link_method = 'phone_match' where id = 2;
select set_eq(
    'select entity_id from trueup.call_link_unproven', array[2]::bigint[], 'a phone_match needs the number'
);
select factory.call(
    id => 3, customer_id => 2, customer_link_method => 'phone_match', customer_link_confidence => 100, from_number => ' PRIVATE'
);
select set_eq(
    'select entity_id from trueup.call_link_unproven', array[2, 3]::bigint[], 'withheld numbers never match'
);
select factory.call(id => 4, customer_id => 1, direction => 'outbound', to_number => '+491701111111');
select is_empty(
    'select 1 from trueup.call_link_unproven where entity_id = 4',
    'near miss: of an outbound call the number called matches'
);
update public.customers set phone = '+491700000099' where id = 4;
select factory.call(id => 5, customer_id => 4, from_number => '+491700000099');
update public.customers set phone = '+491704444444' where id = 4;
select set_eq(
    'select entity_id from trueup.call_link_unproven where customer_id = 4', array[5]::bigint[],
    'a number that the customer no longer has proves nothing; customer_id leads there from the customer'
);

-- constraints
select throws_ok(
    'update public.calls set customer_link_confidence = 101 where id = 1', '23514', null,
    'a confidence above 100 is refused'
);
select throws_ok(
    'update public.calls set customer_link_confidence = -1 where id = 1', '23514', null, 'so is one below 0'
);
set constraints all immediate;
select factory.behind_the_back(true);
select throws_ok(
    $$select factory.call(id => 10, customer_id => 1, customer_link_status => 'linked', customer_link_confidence => 1)$$,
    '23514', null, 'without the fill a link without method and time is refused'
);

-- check
select factory.legacy('calls_link_has_provenance', 'calls_link_confidence_bounded', 'calls_company_id_customer_id_fkey');
select factory.call(id => 11, customer_id => 1, customer_link_status => 'linked', from_number => '+491701111111');
select factory.call(
    id => 12, customer_id => 1, customer_link_status => 'linked', from_number => '+491701111111',
    customer_link_method => 'phone_match', customer_link_confidence => 150, customer_linked_at => '2025-10-20 09:00:00+00'
);
select factory.call(
    id => 13, customer_id => 1, customer_link_status => 'linked',
    customer_link_method => 'manual_link', customer_link_confidence => 90
);
select factory.call(id => 14, customer_id => 1, customer_link_status => 'pending_review', customer_link_confidence => 150);
select factory.call(id => 15, customer_id => 1, customer_link_status => 'pending_review');
select factory.call(
    id => 16, customer_id => 1, customer_link_status => 'linked', deleted_at => '2025-10-21 09:00:00+00'
);
select factory.call(
    id => 17, customer_id => 3, customer_link_status => 'linked', from_number => '+491703333333',
    customer_link_method => 'phone_match', customer_linked_at => '2025-10-20 09:00:00+00'
);
select factory.behind_the_back(false);
select set_eq(
    'select entity_id from trueup.call_link_unproven where entity_id > 10', array[11, 12, 13, 14, 17]::bigint[],
    'the check lists them; no deleted call, and not what waits for a person'
);

-- repair
select is((trueup.repair_call_link_unproven(11)).outcome, 'corrected', 'the number proves it');
select results_eq(
    $$
    select c.customer_link_method, c.customer_link_confidence, c.customer_linked_at from public.calls as c where c.id = 11
    $$,
    $$values ('phone_match', 100.00, now())$$,
    'and the link says so'
);
select is((trueup.repair_call_link_unproven(12)).outcome, 'corrected', 'a confidence out of bounds as well');
select results_eq(
    $$
    select c.customer_link_method, c.customer_link_confidence, c.customer_linked_at from public.calls as c where c.id = 12
    $$,
    $$values ('phone_match', 100.00, timestamptz '2025-10-20 09:00:00+00')$$,
    'a time of linking that is there stays'
);
select is((trueup.repair_call_link_unproven(2)).outcome, 'review', 'another number: a person decides');
select is((trueup.repair_call_link_unproven(3)).outcome, 'review', 'withheld as well');
select is((trueup.repair_call_link_unproven(13)).outcome, 'review', 'and when only the time is missing');
select is(
    (trueup.repair_call_link_unproven(14)).outcome, 'review',
    'a call that is not linked has no link to prove'
);
select is(
    (trueup.repair_call_link_unproven(17)).outcome, 'review',
    'a customer of another company is never proven'
);
select row_eq(
    'select c.customer_link_method, c.customer_linked_at from public.calls as c where c.id = 13',
    row('manual_link'::text, null::timestamptz),
    'nothing of these is changed'
);
select set_eq(
    'select entity_id from trueup.call_link_unproven', array[2, 3, 5, 13, 14, 17]::bigint[],
    'and they are still reported'
);
select factory.behind_the_back(true);
update public.calls set customer_link_method = null where id = 4;
select factory.behind_the_back(false);
select is(
    (trueup.repair_call_link_unproven(4)).outcome, 'corrected',
    'whom we called is proven by the number called'
);
select is(
    (select c.customer_link_method from public.calls as c where c.id = 4), 'phone_match',
    'which is a phone_match'
);
select is_empty(
    'select 1 from trueup.call_customer_not_linked', 'no repair unlinks anybody'
);

select * from finish();
rollback;
