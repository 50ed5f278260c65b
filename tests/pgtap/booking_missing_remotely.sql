-- booking_missing_remotely: the check; a person decides

begin;
select plan(13);

select factory.company(1), factory.company(2);

create function pg_temp.page(variadic p_uids text[]) returns jsonb language sql as $$
select jsonb_build_object('status', 'success', 'data', coalesce(jsonb_agg(jsonb_build_object(
    'uid', u.uid, 'status', 'accepted', 'start', '2025-10-22T12:00:00Z', 'end', '2025-10-22T12:45:00Z'
)), '[]'))
from unnest(p_uids) as u (uid);
$$;
-- the window is October 2025
create function pg_temp.import(p_taken interval, p_page jsonb, p_is_last boolean default true, p_company_id bigint default 1)
    returns text language sql as $$
select i.status
from trueup.import_bookings(
    p_company_id,
    p_page,
    trueup.begin_booking_import(
        p_company_id, '2025-10-01 00:00:00+00', '2025-11-01 00:00:00+00', now() - p_taken
    ),
    p_is_last
) as i;
$$;

select factory.appointment(1, calcom_booking_uid => 'there');
select factory.appointment(2, calcom_booking_uid => 'not there');
select factory.appointment(3, calcom_booking_uid => 'cancelled', status => 'cancelled', cancelled_at => '2025-10-21 09:00:00+00');
select factory.appointment(4, calcom_booking_uid => 'deleted', deleted_at => '2025-10-21 09:00:00+00');
select factory.appointment(5);
select factory.appointment(6, calcom_booking_uid => 'before', starts_at => '2025-09-30 23:30:00+00');
select factory.appointment(7, calcom_booking_uid => 'over the edge', starts_at => '2025-10-31 23:30:00+00');
select factory.appointment(8, calcom_booking_uid => 'just made', created_at => now() - interval '70 minutes');
select factory.appointment(9, company_id => 2, calcom_booking_uid => 'of another company');
select factory.appointment(10, calcom_booking_uid => 'just changed');
update public.appointments set updated_at = now() where id = 10;
select factory.appointment(11, calcom_booking_uid => 'moved');
select factory.appointment(12, calcom_booking_uid => 'seen before');
select factory.appointment(13, calcom_booking_uid => 'seen elsewhere');

select is_empty('select entity_id from trueup.booking_missing_remotely', 'without a list nothing is missing');
select is(pg_temp.import(interval '1 hour', pg_temp.page('there'), false), 'running', 'a list that goes on');
select is_empty('select entity_id from trueup.booking_missing_remotely', 'an unfinished list proves nothing');
select is(
    pg_temp.import(interval '1 hour', pg_temp.page('there') || '{"pagination": {"totalItems": 2}}'), 'incomplete',
    'a list that shows fewer than there are'
);
select is_empty('select entity_id from trueup.booking_missing_remotely', 'proves nothing either');

select pg_temp.import(interval '20 hours', pg_temp.page('there', 'seen before'));
select trueup.import_bookings(
    1,
    '{"status": "success", "data": [{"uid": "seen elsewhere", "status": "accepted", "start": "2025-12-01T09:00:00Z",
    "end": "2025-12-01T09:45:00Z"}, {"uid": "moved to", "status": "accepted", "start": "2025-12-01T09:00:00Z",
    "end": "2025-12-01T09:45:00Z", "rescheduledFromUid": "moved"}]}',
    trueup.begin_booking_import(1, p_taken_at => now() - interval '20 hours')
);
select is(pg_temp.import(interval '1 hour', pg_temp.page('there')), 'complete', 'a list of all there are');
select set_eq(
    'select entity_id from trueup.booking_missing_remotely', array[2, 12]::bigint[],
    'live, in the window, not in the list'
);
-- a uid that has its own appointment by now does not speak for the old one
select factory.appointment(14, calcom_booking_uid => 'moved to');
select set_eq(
    'select entity_id from trueup.booking_missing_remotely', array[2, 11, 12]::bigint[],
    'nor does one that was moved and has two appointments'
);
update trueup.settings set value = '30 minutes' where name = 'booking_snapshot_age';
select is_empty('select entity_id from trueup.booking_missing_remotely', 'an older list proves nothing');
update trueup.settings set value = default_value;
select is(
    (select v.evidence ->> 'calcom_booking_uid' from trueup.booking_missing_remotely as v where v.entity_id = 2),
    'not there', 'the evidence names the booking'
);
select is(
    (trueup.apply_repair('booking_missing_remotely', 'appointment', '2', p_correct => false)).outcome, 'review',
    'a person decides'
);
select pg_temp.import(interval '1 minute', pg_temp.page('there', 'not there', 'seen before', 'moved', 'just made'));
select is_empty('select entity_id from trueup.booking_missing_remotely', 'the next list shows them');
select is(pg_temp.import(interval '1 hour', pg_temp.page(variadic '{}'), true, 2), 'complete', 'an empty list is a list');

select * from finish();
rollback;
