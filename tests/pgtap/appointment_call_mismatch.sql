-- appointment_call_mismatch: the check; nothing prevents it and a person decides

begin;
select plan(3);

select factory.company(1);
select factory.customer(1);
select factory.customer(2);
select factory.call(
    id => 1, customer_id => 1, customer_link_status => 'linked', customer_link_method => 'manual_link',
    customer_linked_at => '2025-10-20 09:00:00+00'
);
select factory.call(id => 2);
select factory.call(id => 3, customer_id => 1, deleted_at => '2025-10-21 09:00:00+00');
select factory.appointment(id => 11, call_id => 1, customer_id => 1);
select factory.appointment(id => 12, call_id => 1, customer_id => 2);
select factory.appointment(
    id => 13, call_id => 1, customer_id => 2, metadata => '{"booked_for": "daughter"}'
);
select factory.appointment(id => 14, call_id => 1);
select factory.appointment(id => 15, customer_id => 2);
select factory.appointment(id => 16, call_id => 1, customer_id => 2, deleted_at => '2025-10-21 09:00:00+00');
select factory.appointment(
    id => 17, call_id => 1, customer_id => 2, status => 'cancelled', cancelled_at => '2025-10-21 09:00:00+00'
);
select factory.appointment(id => 18, call_id => 1, customer_id => 2, metadata => '{"booked_for": null}');

-- behind the back: a trigger may copy the customer from one side to the other
select factory.appointment(id => 21, call_id => 2, customer_id => 2);
select factory.appointment(id => 22, call_id => 3, customer_id => 2);
set constraints all immediate;
select factory.behind_the_back(true);
update public.calls set customer_id = null where id = 2;
select factory.behind_the_back(false);

select set_eq(
    'select entity_id from trueup.appointment_call_mismatch',
    array[12, 17, 18]::bigint[],
    'only two known customers who differ, of which nobody said why'
);
select is(
    (select v.evidence from trueup.appointment_call_mismatch as v where v.entity_id = 12),
    '{"call_id": 1, "customer_id": 2, "call_customer_id": 1}'::jsonb,
    'the evidence is both customers'
);

update public.appointments set customer_id = 1 where id in (12, 17, 18);
select is_empty('select * from trueup.appointment_call_mismatch', 'clean once a person has decided');

select * from finish();
rollback;
