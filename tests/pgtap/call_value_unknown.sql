-- call_value_unknown: the constraints, the check, then the repair

begin;
select plan(25);

select factory.company(1);
select factory.customer(id => 1);
select factory.call(id => 1);
select factory.call(
    id => 2, customer_id => 1, customer_link_status => 'linked', customer_link_method => 'manual_link',
    customer_link_confidence => 90, customer_linked_at => '2025-10-20 09:02:00+00'
);

-- constraints
select throws_ok(
    $$update public.calls set direction = 'sideways' where id = 1$$, '23514', null, 'a direction nobody knows is refused'
);
update public.calls set customer_link_status = 'maybe' where id = 2;
select is(
    (select c.customer_link_status from public.calls as c where c.id = 2), 'linked',
    'near miss: calls_fill_customer_link knows the customer_link_status'
);
select throws_ok(
    $$update public.calls set customer_link_method = 'guess' where id = 2$$, '23514', null, 'a customer_link_method is'
);
select throws_ok(
    $$update public.calls set appointment_link_status = 'maybe' where id = 1$$,
    '23514', null, 'an appointment_link_status is'
);
select throws_ok(
    $$select factory.call(id => 3, direction => 'sideways')$$, '23514', null, 'on insert as well'
);
select throws_ok(
    $$select factory.call(id => 3, appointment_link_status => 'Linked')$$, '23514', null, 'in another spelling as well'
);
select lives_ok(
    $$update public.calls set direction = 'outbound', appointment_link_status = 'not_applicable' where id = 1$$,
    'near miss: words of the vocabularies'
);
select is_empty('select * from trueup.call_value_unknown', 'near misses are silent');

-- check
set constraints all immediate;
select factory.behind_the_back(true);
select throws_ok(
    $$update public.calls set customer_link_status = 'maybe' where id = 2$$,
    '23514', null, 'without that fill the constraint refuses it'
);
select factory.legacy(
    'calls_direction_vocabulary', 'calls_direction_known', 'calls_customer_link_status_vocabulary',
    'calls_customer_link_method_vocabulary', 'calls_appointment_link_status_vocabulary'
);
select factory.call(id => 11, direction => 'Inbound', appointment_link_status => 'UNLINKED');
select factory.call(id => 12, direction => 'Outbound', appointment_link_status => 'maybe');
select factory.call(id => 13, direction => 'sideways');
select factory.call(id => 14, direction => 'sideways', deleted_at => '2025-10-21 09:00:00+00');
select factory.call(id => 15, direction => '');
select factory.call(id => 16, direction => null);
select factory.call(id => 17, direction => '', appointment_link_status => ' unlinked');
select factory.call(
    id => 18, customer_id => 1, customer_link_status => 'Linked', customer_link_method => 'Manual_Link',
    customer_link_confidence => 90, customer_linked_at => '2025-10-20 09:02:00+00'
);
select factory.call(
    id => 19, customer_id => 1, customer_link_status => 'linked', customer_link_method => 'guess',
    customer_link_confidence => 90, customer_linked_at => '2025-10-20 09:02:00+00'
);
select factory.call(id => 20, customer_link_status => 'nobody');
select factory.behind_the_back(false);

select results_eq(
    $$select entity_id, evidence -> 'values' from trueup.call_value_unknown order by entity_id$$,
    $$
    values
    (11::bigint, '{"direction": "Inbound", "appointment_link_status": "UNLINKED"}'::jsonb),
    (12, '{"direction": "Outbound", "appointment_link_status": "maybe"}'),
    (13, '{"direction": "sideways"}'),
    (17, '{"appointment_link_status": " unlinked"}'),
    (18, '{"customer_link_status": "Linked", "customer_link_method": "Manual_Link"}'),
    (19, '{"customer_link_method": "guess"}'),
    (20, '{"customer_link_status": "nobody"}')
    $$,
    'one row for each call, every column and value in its evidence; a missing direction is another check''s'
);

-- repair
select is((trueup.repair_call_value_unknown(11)).outcome, 'corrected', 'another spelling of a word');
select results_eq(
    $$select c.direction, c.appointment_link_status from public.calls as c where c.id = 11$$,
    $$values ('inbound', 'unlinked')$$,
    'is that word, in every column'
);
select is((trueup.repair_call_value_unknown(12)).outcome, 'review', 'one word that means nothing is for a person');
select is((select c.direction from public.calls as c where c.id = 12), 'Outbound', 'and then nothing of the row is changed');
select is((trueup.repair_call_value_unknown(13)).outcome, 'review', 'in any column: direction');
select is((trueup.repair_call_value_unknown(19)).outcome, 'review', 'customer_link_method');
select is((trueup.repair_call_value_unknown(20)).outcome, 'review', 'customer_link_status');
select is((trueup.repair_call_value_unknown(17)).outcome, 'corrected', 'a missing direction does not keep the rest from it');
select is(
    (select c.appointment_link_status from public.calls as c where c.id = 17), 'unlinked', 'which is mended'
);
select is(
    (select v.evidence from trueup.repair_call_value_unknown(18) as v),
    '{"customer_link_status": "Linked", "customer_link_method": "Manual_Link"}'::jsonb,
    'the evidence is what was there'
);
select results_eq(
    $$
    select c.customer_link_status, c.customer_link_method, c.customer_link_confidence
    from public.calls as c where c.id = 18
    $$,
    $$values ('linked', 'manual_link', 90.00)$$,
    'a link is spelled alike, its provenance kept'
);
select set_eq(
    'select entity_id from trueup.call_value_unknown',
    array[12, 13, 19, 20]::bigint[],
    'what is under review is still reported'
);
insert into trueup.vocabularies (vocabulary, value, means) values ('appointment_link_status', 'maybe', 'unlinked');
select is((trueup.repair_call_value_unknown(12)).outcome, 'corrected', 'a synonym that a person adds is evidence');
select results_eq(
    $$select c.direction, c.appointment_link_status from public.calls as c where c.id = 12$$,
    $$values ('outbound', 'unlinked')$$,
    'then the whole row is mended'
);
select is_empty('select 1 from trueup.call_value_unknown where entity_id in (11, 12, 17, 18)', 'and not reported again');

select * from finish();
rollback;
