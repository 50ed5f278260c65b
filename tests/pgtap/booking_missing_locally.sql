-- booking_missing_locally: the check, then the repair

begin;
select plan(34);

select factory.company(1), factory.company(2);
select factory.service(1, calcom_event_type_id => 700001);
select factory.service(2, company_id => 2, calcom_event_type_id => 700001);

-- a page of bookings, all alike but for what is given
create function pg_temp.page(variadic p_bookings jsonb[]) returns jsonb language sql as $$
select jsonb_build_object(
    'status', 'success',
    'data', jsonb_agg(
        '{"status": "accepted", "start": "2025-11-03T09:00:00.000Z", "end": "2025-11-03T09:45:00.000Z",
        "eventTypeId": 700001, "createdAt": "2025-10-20T09:01:05.000Z", "metadata": {}, "rescheduledFromUid": null,
        "attendees": [{"name": "Erika Muster", "email": "erika@example.org", "phoneNumber": "+491701234567",
        "timeZone": "Europe/Berlin"}]}'::jsonb || b.booking
    ),
    'pagination', '{}'::jsonb
)
from unnest(p_bookings) as b (booking);
$$;
create function pg_temp.import(p_company_id bigint, p_taken_at timestamptz, p_page jsonb) returns void
    language sql as $$
select trueup.import_bookings(
    p_company_id, p_page, trueup.begin_booking_import(p_company_id, p_taken_at => p_taken_at), true
);
$$;
create function pg_temp.listed() returns setof text language sql as $$
select v.evidence ->> 'booking_uid' from trueup.booking_missing_locally as v where v.company_id = 1;
$$;

select factory.appointment(1, calcom_booking_uid => 'here', calcom_booking_id => 1);
select factory.appointment(2, calcom_booking_id => 2);
select factory.appointment(3, calcom_booking_uid => 'other uid', calcom_booking_id => 3);
select factory.appointment(4, calcom_booking_uid => 'deleted', deleted_at => '2025-10-21 09:00:00+00');
select factory.appointment(5, calcom_booking_uid => 'cancelled', status => 'cancelled', cancelled_at => '2025-10-21 09:00:00+00');
select factory.appointment(6, company_id => 2, calcom_booking_uid => 'of another company');
select factory.appointment(7, calcom_booking_uid => 'moved from', starts_at => '2025-11-01 09:00:00+00');
select factory.appointment(8, calcom_booking_uid => 'just deleted', deleted_at => now() - interval '1 minute');
select factory.appointment(
    9, calcom_booking_uid => 'moved from, cancelled', status => 'cancelled', cancelled_at => '2025-10-21 09:00:00+00'
);
-- moved to another booking and deleted hard, after the list was taken
select factory.appointment(10, calcom_booking_uid => 'moved here');
update public.appointments set calcom_booking_uid = 'new uid' where id = 10;
select factory.appointment(11, calcom_booking_uid => 'deleted hard');
delete from public.appointments where id = 11;

select pg_temp.import(1, now() - interval '1 hour', pg_temp.page(
    '{"uid": "here"}', '{"uid": "by number", "id": 2}', '{"uid": "another number", "id": 3}', '{"uid": "deleted"}',
    '{"uid": "cancelled"}', '{"uid": "of another company"}', '{"uid": "just deleted"}',
    '{"uid": "missing", "id": 100}', '{"uid": "pending", "status": "pending", "start": "2025-11-05T09:00:00.000Z", "end": "2025-11-05T09:45:00.000Z"}',
    '{"uid": "never held", "status": "cancelled"}', '{"uid": "rejected", "status": "rejected"}',
    '{"uid": "odd", "status": "awaiting_host"}',
    '{"uid": "moved to", "id": 107, "rescheduledFromUid": "moved from", "start": "2025-11-04T09:00:00.000Z", "end": "2025-11-04T09:30:00.000Z"}',
    '{"uid": "moved to, cancelled", "rescheduledFromUid": "moved from, cancelled"}',
    '{"uid": "moved here"}', '{"uid": "deleted hard"}',
    '{"uid": "event type", "eventTypeId": 1}'
));
select pg_temp.import(1, now() - interval '1 hour', pg_temp.page(
    jsonb_build_object('uid', 'on its way', 'createdAt', to_char(now() at time zone 'UTC' - interval '70 minutes', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'))
));
select pg_temp.import(1, now() - interval '49 hours', pg_temp.page('{"uid": "of an old list"}'));

select set_eq(
    'select pg_temp.listed()',
    array[
        'another number', 'deleted', 'of another company', 'missing', 'pending', 'moved to', 'moved to, cancelled',
        'event type'
    ],
    'bookings that are held there and have no appointment of the company here'
);
select is_empty(
    'select entity_id from trueup.booking_missing_locally where company_id = 2', 'the other company has imported nothing'
);
select is(
    (select v.evidence from trueup.booking_missing_locally as v where v.evidence ->> 'booking_uid' = 'missing'),
    '{"booking_uid": "missing", "booking_number": 100, "provider_status": "accepted", "event_type_id": 700001,
    "starts_at": "2025-11-03T09:00:00+00:00", "ends_at": "2025-11-03T09:45:00+00:00"}'::jsonb,
    'nothing about the attendee in the evidence'
);
update trueup.settings set value = '30 minutes' where name = 'booking_snapshot_age';
select is_empty('select pg_temp.listed()', 'an older list proves nothing');
update trueup.settings set value = '3 days' where name = 'booking_snapshot_age';
select ok('of an old list' in (select pg_temp.listed()), 'how old is a setting');
update trueup.settings set value = '1 minute' where name = 'booking_arrival_limit';
select ok('on its way' in (select pg_temp.listed()), 'so is how long a booking may take');
update trueup.settings set value = default_value;

-- who attends is kept while somebody needs it
select is(
    (select s.attendee_email from trueup.booking_snapshots as s where s.booking_uid = 'missing'), 'erika@example.org',
    'the attendee of a booking that is missing is kept'
);
select is(
    (select s.attendee_email from trueup.booking_snapshots as s where s.booking_uid = 'here'), null,
    'the attendee of one that is here is not'
);

-- repair
create function pg_temp.repaired(p_uid text) returns text language sql as $$
select concat_ws(': ', r.outcome, r.reason)
from trueup.booking_snapshots as s
cross join lateral trueup.apply_repair('booking_missing_locally', 'booking', s.id::text) as r
where s.booking_uid = p_uid;
$$;

select is(pg_temp.repaired('missing'), 'corrected: created from the provider booking', 'a missing one is created');
select results_eq(
    $$
    select a.company_id, a.calcom_booking_id, a.starts_at, a.ends_at, a.status, a.source, a.service_id, k.email, k.phone, a.created_at
    from public.appointments as a
    inner join public.customers as k on a.customer_id = k.id
    where a.calcom_booking_uid = 'missing'
    $$,
    $$
    values (
        1::bigint, 100::bigint, timestamptz '2025-11-03 09:00:00+00', timestamptz '2025-11-03 09:45:00+00', 'confirmed',
        'backfill', 1::bigint, 'erika@example.org', '+491701234567', timestamptz '2025-10-20 09:01:05+00'
    )
    $$,
    'as the provider has it'
);
select is(
    (select s.attendee_email from trueup.booking_snapshots as s where s.booking_uid = 'missing'), null,
    'and who attends is forgotten here'
);
select is(pg_temp.repaired('missing'), 'clean: the check no longer lists it', 'twice is once');
select factory.call(1, booking_id => 'pending', from_number => 'anonymous');
select is(pg_temp.repaired('pending'), 'corrected: created from the provider booking', 'a call names the booking');
select is(
    (select a.call_id from public.appointments as a where a.calcom_booking_uid = 'pending'), 1::bigint,
    'and the appointment is its own'
);
select is(pg_temp.repaired('moved to'), 'corrected: moved as the provider did', 'one that was moved there is moved here');
select results_eq(
    $$
    select a.calcom_booking_uid, a.calcom_booking_id, a.starts_at, a.ends_at, a.previous_starts_at, am.kind, am.new_starts_at
    from public.appointments as a
    inner join public.appointment_modifications as am on a.id = am.appointment_id
    where a.id = 7
    $$,
    $$
    values (
        'moved to', 107::bigint, timestamptz '2025-11-04 09:00:00+00', timestamptz '2025-11-04 09:30:00+00',
        timestamptz '2025-11-01 09:00:00+00', 'reschedule', timestamptz '2025-11-04 09:00:00+00'
    )
    $$,
    'the same appointment, with a modification'
);
select is(
    pg_temp.repaired('moved to, cancelled'), 'review: the booking was moved, and its appointment is over here',
    'one that was cancelled here and moved there is for a person'
);
select is(pg_temp.repaired('deleted'), 'review: the appointment of this booking was deleted', 'and one that was deleted');
select is(
    pg_temp.repaired('event type'), 'review: the event type of the booking is no service of the company',
    'and one without a service'
);
select factory.call(2, booking_id => 'of another company');
select factory.call(3, booking_id => 'of another company');
select is(pg_temp.repaired('of another company'), 'review: several calls name the booking', 'and one of two calls');
update trueup.former_bookings set ended_at = now() - interval '2 hours';
select ok(
    array['moved here', 'deleted hard'] <@ array(select pg_temp.listed()),
    'what was moved or deleted here before, the provider should not hold'
);
select is(
    pg_temp.repaired('moved here'),
    'review: its appointment was moved to another booking or deleted here, and the provider still holds it',
    'it is not made again'
);
select is(
    pg_temp.repaired('deleted hard'),
    'review: its appointment was moved to another booking or deleted here, and the provider still holds it',
    'nor what somebody wanted gone'
);
update trueup.former_bookings set ended_at = now();
select is(
    (select a.company_id from public.appointments as a where a.calcom_booking_uid = 'of another company'), 2::bigint,
    'the uid of another company was left alone'
);
select set_eq(
    'select pg_temp.listed()', array['another number', 'deleted', 'of another company', 'moved to, cancelled', 'event type'],
    'the rest is for people'
);

-- moved more than once since we heard of it
select factory.appointment(12, calcom_booking_uid => 'first', calcom_booking_id => 201);
select factory.appointment(13, calcom_booking_uid => 'one');
select factory.appointment(14, calcom_booking_uid => 'two');
select pg_temp.import(1, now() - interval '50 minutes', pg_temp.page(
    '{"uid": "first", "id": 201, "status": "cancelled"}',
    '{"uid": "second", "id": 202, "status": "cancelled", "rescheduledFromUid": "first"}',
    '{"uid": "third", "rescheduledFromUid": "second", "start": "2025-11-06T09:00:00.000Z", "end": "2025-11-06T09:45:00.000Z"}',
    '{"uid": "two", "status": "cancelled", "rescheduledFromUid": "one"}',
    '{"uid": "of two", "rescheduledFromUid": "two"}',
    '{"uid": "between", "status": "cancelled", "rescheduledFromUid": "deleted hard"}',
    '{"uid": "of what is gone", "rescheduledFromUid": "between"}',
    '{"uid": "ring", "status": "cancelled", "rescheduledFromUid": "circle"}',
    '{"uid": "circle", "rescheduledFromUid": "ring", "start": "2025-11-07T09:00:00.000Z", "end": "2025-11-07T09:45:00.000Z"}'
));
select is(pg_temp.repaired('third'), 'corrected: moved as the provider did', 'moved twice there is moved here');
select results_eq(
    $$
    select a.calcom_booking_uid, a.calcom_booking_id, a.starts_at, count(am.id)
    from public.appointments as a
    inner join public.appointment_modifications as am on a.id = am.appointment_id
    where a.id = 12
    group by a.id
    $$,
    $$values ('third', null::bigint, timestamptz '2025-11-06 09:00:00+00', 1::bigint)$$,
    'the same appointment, without the number of the booking that it left'
);
select is(
    pg_temp.repaired('of two'), 'review: the booking was moved, and several appointments bear bookings it came from',
    'not when two appointments may be meant'
);
select is(
    pg_temp.repaired('of what is gone'),
    'review: its appointment was moved to another booking or deleted here, and the provider still holds it',
    'nor when the first was deleted here'
);
select is(
    pg_temp.repaired('circle'), 'corrected: created from the provider booking', 'moves in a circle lead nowhere'
);

-- a later list without it
create function pg_temp.import_window(p_taken interval, p_from timestamptz, p_page jsonb, p_is_last boolean default true)
    returns void language sql as $$
select trueup.import_bookings(
    1, p_page, trueup.begin_booking_import(1, p_from, '2025-12-31 00:00:00+00', now() - p_taken), p_is_last
);
$$;
select pg_temp.import(1, now() - interval '40 minutes', pg_temp.page('{"uid": "gone"}', '{"uid": "held"}'));
select pg_temp.import_window(interval '50 minutes', '2025-11-01 00:00:00+00', pg_temp.page('{"uid": "held"}'));
select ok('gone' in (select pg_temp.listed()), 'near miss: an earlier list');
select pg_temp.import_window(interval '30 minutes', '2025-11-03 09:00:01+00', pg_temp.page('{"uid": "held"}'));
select ok('gone' in (select pg_temp.listed()), 'near miss: a window that does not hold it');
select pg_temp.import_window(interval '20 minutes', '2025-11-03 09:00:00+00', pg_temp.page('{"uid": "held"}'), false);
select ok('gone' in (select pg_temp.listed()), 'near miss: a list that goes on');
select pg_temp.import_window(interval '10 minutes', '2025-11-03 09:00:00+00', pg_temp.page('{"uid": "held"}'));
select set_eq(
    'select pg_temp.listed() intersect select unnest(array[''gone'', ''held''])', array['held'],
    'the provider holds it no more'
);

select * from finish();
rollback;
