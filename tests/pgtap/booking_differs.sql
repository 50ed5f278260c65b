-- booking_differs: the check; a person decides

begin;
select plan(7);

select factory.company(1), factory.company(2);

create function pg_temp.import(p_taken interval, p_bookings jsonb) returns void language sql as $$
select trueup.import_bookings(
    1,
    jsonb_build_object('status', 'success', 'data', (
        select jsonb_agg(
            '{"status": "accepted", "start": "2025-10-22T14:00:00+02:00", "end": "2025-10-22T12:45:00.000Z"}' || b.booking
        )
        from jsonb_array_elements(p_bookings) as b (booking)
    )),
    trueup.begin_booking_import(1, p_taken_at => now() - p_taken),
    true
);
$$;

select factory.appointment(1, calcom_booking_uid => 'same');
select factory.appointment(2, calcom_booking_uid => 'starts', starts_at => '2025-10-22 11:45:00+00', ends_at => '2025-10-22 12:45:00+00');
select factory.appointment(3, calcom_booking_uid => 'ends', ends_at => '2025-10-22 12:30:00+00');
select factory.appointment(4, calcom_booking_uid => 'cancelled there');
select factory.appointment(5, calcom_booking_uid => 'cancelled here', status => 'cancelled', cancelled_at => '2025-10-21 09:00:00+00');
select factory.appointment(6, calcom_booking_uid => 'both cancelled', starts_at => '2025-10-23 12:00:00+00', status => 'cancelled', cancelled_at => '2025-10-21 09:00:00+00');
select factory.appointment(7, calcom_booking_uid => 'completed', status => 'completed');
select factory.appointment(8, calcom_booking_uid => 'pending here', status => 'pending');
select factory.appointment(9, calcom_booking_uid => 'pending there');
select factory.appointment(10, calcom_booking_uid => 'odd', starts_at => '2025-10-23 12:00:00+00');
select factory.appointment(11, calcom_booking_uid => 'deleted', starts_at => '2025-10-23 12:00:00+00', deleted_at => '2025-10-21 09:00:00+00');
select factory.appointment(12, company_id => 2, calcom_booking_uid => 'of another', starts_at => '2025-10-23 12:00:00+00');
select factory.appointment(13, calcom_booking_uid => 'just cancelled', status => 'cancelled', cancelled_at => now() - interval '1 minute');
select factory.appointment(14, calcom_booking_uid => 'moved there');
select factory.appointment(15, calcom_booking_uid => 'just moved', starts_at => '2025-10-24 12:00:00+00');
select factory.modification(1, 15, created_at => now() - interval '1 minute');
select factory.appointment(16, calcom_booking_uid => 'just written', starts_at => '2025-10-24 12:00:00+00');
update public.appointments set updated_at = now() where id = 16;
select factory.appointment(17, calcom_booking_uid => 'rejected there');

select is_empty('select entity_id from trueup.booking_differs', 'nothing to compare with');
select pg_temp.import(
    interval '1 hour',
    '[{"uid": "same"}, {"uid": "starts"}, {"uid": "ends"}, {"uid": "cancelled there", "status": "cancelled"},
    {"uid": "cancelled here"}, {"uid": "both cancelled", "status": "cancelled"}, {"uid": "completed"},
    {"uid": "pending here"}, {"uid": "pending there", "status": "pending"}, {"uid": "odd", "status": "awaiting_host"},
    {"uid": "deleted"}, {"uid": "of another"}, {"uid": "just cancelled"},
    {"uid": "moved there", "status": "cancelled"}, {"uid": "moved to", "rescheduledFromUid": "moved there"},
    {"uid": "just moved"}, {"uid": "just written"}, {"uid": "rejected there", "status": "rejected"}]'
);
select set_eq(
    'select entity_id from trueup.booking_differs', array[2, 3, 4, 5, 8, 9, 17]::bigint[],
    'another start, end or status than the provider has'
);
select is(
    (select v.evidence from trueup.booking_differs as v where v.entity_id = 3),
    '{"calcom_booking_uid": "ends", "status": "confirmed", "starts_at": "2025-10-22T12:00:00+00:00",
    "ends_at": "2025-10-22T12:30:00+00:00", "provider_status": "accepted",
    "provider_starts_at": "2025-10-22T12:00:00+00:00", "provider_ends_at": "2025-10-22T12:45:00+00:00"}'::jsonb,
    'the evidence holds both sides'
);

-- behind the back of every trigger, and as legacy applications spell it
set constraints all immediate;
select factory.behind_the_back(true);
select factory.legacy('appointments_status_vocabulary', 'appointments_cancel_agrees');
update public.appointments set status = 'Booked' where id = 1;
update public.appointments set status = 'cancelled' where id = 7;
select factory.behind_the_back(false);
select set_eq(
    'select entity_id from trueup.booking_differs', array[2, 3, 4, 5, 7, 8, 9, 17]::bigint[],
    'a spelling is no difference, a cancellation behind the back is'
);

select is(
    (trueup.apply_repair('booking_differs', 'appointment', '2', p_correct => false)).outcome, 'review', 'a person decides'
);
select pg_temp.import(interval '1 minute', '[{"uid": "starts", "start": "2025-10-22T11:45:00Z"}]');
select ok(
    2 not in (select v.entity_id from trueup.booking_differs as v), 'over when the provider says the same'
);
select pg_temp.import(interval '2 hours', '[{"uid": "starts"}]');
select ok(
    2 not in (select v.entity_id from trueup.booking_differs as v), 'an older list does not overwrite it'
);

select * from finish();
rollback;
