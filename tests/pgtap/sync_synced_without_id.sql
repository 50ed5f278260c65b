-- sync_synced_without_id: the constraint, the check; a person decides

begin;
select plan(6);

select factory.company(1);
select factory.appointment(1, calcom_sync_status => 'synced', calcom_booking_uid => 'uid');
select factory.appointment(2, calcom_sync_status => 'synced', calcom_booking_id => 2);
select factory.appointment(3, calcom_sync_status => 'pending');
select factory.appointment(4);
select throws_ok(
    $$select factory.appointment(5, calcom_sync_status => 'synced')$$, '23514', null, 'no writer gets one past the constraint'
);
select throws_ok(
    $$update public.appointments set calcom_booking_uid = null where id = 1$$, '23514', null, 'nor by taking it away'
);
select is_empty('select entity_id from trueup.sync_synced_without_id', 'near misses are silent');

set constraints all immediate;
select factory.legacy('appointments_synced_has_id');
select factory.behind_the_back(true);
select factory.appointment(6, calcom_sync_status => 'synced');
select factory.appointment(7, calcom_sync_status => 'synced', deleted_at => '2025-10-21 09:00:00+00');
select factory.behind_the_back(false);
select set_eq(
    'select entity_id from trueup.sync_synced_without_id', array[6]::bigint[], 'synced, and nobody knows with what'
);
select is(
    (trueup.apply_repair('sync_synced_without_id', 'appointment', '6', p_correct => false)).outcome, 'review',
    'a person decides'
);
update public.appointments set calcom_booking_id = 6 where id = 6;
select is_empty('select entity_id from trueup.sync_synced_without_id', 'over when it is known');

select * from finish();
rollback;
