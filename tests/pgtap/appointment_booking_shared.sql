-- appointment_booking_shared: the unique index, then the check

begin;
select plan(8);

select factory.company(1);
select factory.company(2);
select factory.appointment(id => 11, calcom_booking_uid => 'uid-1');
set constraints all immediate;

-- constraint
select throws_ok(
    $$select factory.appointment(id => 12, calcom_booking_uid => 'uid-1')$$,
    '23505', null, 'one appointment for one booking'
);
select throws_ok(
    $$select factory.appointment(
        id => 12, calcom_booking_uid => 'uid-1', status => 'cancelled', cancelled_at => '2025-10-21 09:00:00+00'
    )$$,
    '23505', null, 'a cancelled one as well'
);
select lives_ok(
    $$select factory.appointment(
        id => 12, calcom_booking_uid => 'uid-1', deleted_at => '2025-10-21 09:00:00+00'
    )$$,
    'near miss: deleted'
);
select lives_ok(
    $$select factory.appointment(id => 13, company_id => 2, calcom_booking_uid => 'uid-1')$$,
    'near miss: of another company'
);
select lives_ok(
    $$select factory.appointment(id => 14), factory.appointment(id => 15)$$, 'near miss: without a booking'
);
select is_empty('select * from trueup.appointment_booking_shared', 'near misses are silent');

-- check
set constraints all immediate;
select factory.legacy('appointments_booking_uid_key');
select factory.appointment(id => 21, calcom_booking_uid => 'uid-1');
select results_eq(
    $$select entity_id, evidence -> 'sharing_ids' from trueup.appointment_booking_shared order by entity_id$$,
    $$values (11::bigint, '[21]'::jsonb), (21, '[11]')$$,
    'each appointment that shares is listed'
);

update public.appointments set deleted_at = '2025-10-21 09:00:00+00' where id = 21;
select is_empty('select * from trueup.appointment_booking_shared', 'clean once a person has decided');

select * from finish();
rollback;
