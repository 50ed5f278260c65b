-- call_creation_failed_unqueued: the check, then the repair

begin;
select plan(13);

select factory.legacy('calls_booking_details_decoded');
select factory.company(1);
set constraints all immediate;
select factory.behind_the_back(true);
select factory.call(id => 1, booking_details => '{"appointment_creation_failed": true}');
select factory.call(
    id => 2, booking_id => 'bk-2', booking_details =>
    '{"calcom_booking": {"uid": "bk-2"}, "appointment_creation_failed": true,
    "appointment_creation_error": "Erika"}'
);
select factory.call(id => 3, booking_details => to_jsonb('{"appointment_creation_failed": true}'::text));
select factory.call(id => 4, booking_details => '{"appointment_creation_failed": "true"}');
select factory.appointment(id => 104, call_id => 4, deleted_at => '2025-10-21 09:00:00+00');
select factory.call(id => 5, booking_details => '{"appointment_creation_failed": true}');
select trueup.queue_review('something_else', 'call', '5', 'another question about the call');
update public.calls set requires_manual_processing = true where id = 5;
-- near misses
select factory.call(id => 11, booking_details => '{"appointment_creation_failed": false}');
select factory.call(id => 12, booking_details => '{"calcom_booking": {"uid": "bk-12"}}');
select factory.call(id => 13, booking_details => '"appointment_creation_failed"');
select factory.call(id => 14, booking_details => '[{"appointment_creation_failed": true}]');
select factory.call(id => 15, appointment_link_status => 'creation_failed');
select factory.call(id => 16, booking_details => '{"appointment_creation_failed": true}');
select factory.appointment(id => 116, call_id => 16);
select factory.call(id => 17, booking_details => '{"appointment_creation_failed": true}');
select factory.appointment(
    id => 117, call_id => 17, status => 'cancelled', cancelled_at => '2025-10-21 09:00:00+00'
);
select factory.call(
    id => 18, booking_details => '{"appointment_creation_failed": true}',
    deleted_at => '2025-10-21 09:00:00+00'
);
select factory.call(id => 19, booking_details => '{"appointment_creation_failed": true}');
select trueup.queue_review('provider_booking_failed', 'call', '19', 'told already');
select factory.call(id => 20, booking_details => '{"appointment_creation_failed": true}');
select trueup.queue_review('provider_booking_failed', 'call', '20', 'told and decided');
update trueup.manual_review_queue set status = 'dismissed' where entity_id = '20';
select factory.call(id => 21, booking_details => '{"appointment_creation_failed": true}');
select trueup.queue_review('call_booked_without_appointment', 'call', '21', 'asked where the appointment is');
select factory.call(id => 22, booking_details => '{"appointment_creation_failed": true}');
select trueup.queue_review('service_unknown', 'call', '22', 'told by the application why it failed');
set constraints all immediate;
select factory.behind_the_back(false);

select set_eq(
    'select entity_id from trueup.call_creation_failed_unqueued',
    array[1, 2, 3, 4, 5]::bigint[],
    'the check lists failed creations that nobody was told of, and no other'
);

update trueup.manual_review_queue set status = 'resolved' where entity_id = '21';
select set_eq(
    'select entity_id from trueup.call_creation_failed_unqueued where entity_id > 20',
    array[21]::bigint[],
    'nobody has the failed creation any more when the other question is answered'
);
update trueup.manual_review_queue set reason = 'provider_booking_failed' where entity_id = '21';

-- repair
select is(
    (trueup.repair_call_creation_failed_unqueued(2)).outcome, 'corrected', 'the call is handed to a person'
);
select results_eq(
    $$
    select company_id, reason, severity, priority, status, metadata
    from trueup.manual_review_queue where entity_type = 'call' and entity_id = '2'
    $$,
    $$
    values (
        '1', 'provider_booking_failed', 'critical', 2::smallint, 'pending',
        '{"booking_id": "bk-2", "booking_uid": "bk-2"}'::jsonb
    )
    $$,
    'with company, severity, priority and the booking, and no word about the caller'
);
select ok(
    (select c.requires_manual_processing from public.calls as c where c.id = 2), 'and the call says so'
);
select is(
    (select count(*) from public.appointments as a where a.call_id = 2), 0::bigint,
    'no appointment is made up'
);
select is((trueup.repair_call_creation_failed_unqueued(2)).outcome, 'corrected', 'told twice');
select is(
    (select count(*) from trueup.manual_review_queue as q where q.entity_id = '2'), 1::bigint,
    'it is one item'
);
select is(
    (trueup.repair_call_creation_failed_unqueued(5)).outcome, 'corrected', 'a call whose flag was up already'
);
select isnt(
    (select c.updated_at from public.calls as c where c.id = 5), '2025-10-20 09:00:00+00',
    'is changed, so that the journal sees it'
);
select set_eq(
    'select entity_id from trueup.call_creation_failed_unqueued',
    array[1, 3, 4]::bigint[],
    'what was handed over is over'
);
update trueup.manual_review_queue set status = 'resolved' where entity_id = '2';
select set_eq(
    'select entity_id from trueup.call_creation_failed_unqueued',
    array[1, 3, 4]::bigint[],
    'what a person decided does not come back'
);
select factory.appointment(id => 101, call_id => 1);
select set_eq(
    'select entity_id from trueup.call_creation_failed_unqueued',
    array[3, 4]::bigint[],
    'an appointment made by hand settles it'
);

select * from finish();
rollback;
