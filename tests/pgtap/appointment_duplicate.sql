-- appointment_duplicate: the check, and the unique index that decides the same booking twice

begin;
select plan(6);

select factory.company(1);
select factory.customer(1);
select factory.customer(2);
select factory.service(1);
select factory.service(2);
set constraints all immediate;

select factory.appointment(
    id => 11, customer_id => 1, service_id => 1, idempotency_key => '11111111-1111-5111-8111-111111111111'
);
select throws_ok(
    $$select factory.appointment(
        id => 12, customer_id => 1, service_id => 1, idempotency_key => '11111111-1111-5111-8111-111111111111'
    )$$,
    '23505', null, 'one key has one live appointment'
);
select lives_ok(
    $$select factory.appointment(
        id => 13, customer_id => 1, service_id => 1, idempotency_key => '11111111-1111-5111-8111-111111111111',
        status => 'cancelled', cancelled_at => '2025-10-21 09:00:00+00'
    )$$,
    'near miss: a cancelled one'
);

-- near misses: five minutes and a second later; another customer, service or company; deleted; nobody known;
-- for somebody else
select factory.appointment(
    id => 21, customer_id => 1, service_id => 1, starts_at => '2025-10-22 12:05:01+00'
);
select factory.appointment(id => 22, customer_id => 2, service_id => 1);
select factory.appointment(id => 23, customer_id => 1, service_id => 2);
select factory.appointment(id => 24, customer_id => 1);
select factory.appointment(
    id => 25, customer_id => 1, service_id => 1, deleted_at => '2025-10-21 09:00:00+00'
);
select factory.appointment(id => 26, service_id => 1);
select factory.appointment(id => 27, service_id => 1);
select factory.appointment(
    id => 28, customer_id => 1, service_id => 1, metadata => '{"booked_for": "daughter"}'
);
select is_empty('select * from trueup.appointment_duplicate', 'near misses are silent');

select factory.appointment(
    id => 31, customer_id => 2, service_id => 1, starts_at => '2025-10-22 12:05:00+00'
);
select factory.appointment(id => 32, customer_id => 1, starts_at => '2025-10-22 11:56:00+00');
select results_eq(
    $$select entity_id, evidence -> 'duplicate_ids' from trueup.appointment_duplicate order by entity_id$$,
    $$values (22::bigint, '[31]'::jsonb), (24, '[32]'), (31, '[22]'), (32, '[24]')$$,
    'each appointment of a pair is listed; no service is a service'
);

update trueup.settings set value = '4 minutes 30 seconds' where name = 'duplicate_appointment_window';
select set_eq(
    'select entity_id from trueup.appointment_duplicate', array[24, 32]::bigint[], 'the window is a setting'
);

update public.appointments set status = 'cancelled' where id = 32;
select is_empty('select * from trueup.appointment_duplicate', 'clean once a person has decided');

select * from finish();
rollback;
