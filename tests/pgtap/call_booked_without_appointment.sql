-- call_booked_without_appointment: the guard, then the check, then the backfill

begin;
select plan(102);

select factory.legacy('calls_booking_details_decoded');
select factory.company(1);
select factory.company(2);
select factory.branch(1);
select factory.service(id => 1, calcom_event_type_id => 700001);
select factory.service(id => 2, company_id => 2, calcom_event_type_id => 700002);
select factory.service(id => 3, calcom_event_type_id => 700003);
select factory.service(id => 4, calcom_event_type_id => 700003);

create function pg_temp.proof(uid text, changes jsonb default '{}', around jsonb default '{}')
    returns jsonb language sql as $$
select jsonb_build_object(
    'confirmed_at', '2025-10-20T09:00:30Z',
    'calcom_booking', jsonb_build_object(
        'id', 9000000 + right(uid, -3)::integer, 'uid', uid, 'start', '2025-10-22T12:00:00.000Z',
        'end', '2025-10-22T12:45:00.000Z', 'duration', 45, 'eventTypeId', 700001, 'status', 'accepted',
        'attendees',
        jsonb_build_array(jsonb_build_object('name', 'Erika Muster', 'email', 'erika@example.com')),
        'metadata', '{}'::jsonb
    ) || changes
) || around;
$$;
create function pg_temp.attended(email text, name text default 'Erika Muster')
    returns jsonb language sql as $$
select jsonb_build_object('attendees', jsonb_build_array(jsonb_build_object('name', name, 'email', email)));
$$;
create function pg_temp.repair(call_id bigint) returns text language sql as $$
select concat_ws(': ', r.outcome, r.reason) from trueup.repair_call_booked_without_appointment(call_id) as r;
$$;
-- what every correction must leave behind: the call and its appointment point at each other
create function pg_temp.both_ways(call_id bigint) returns boolean language sql as $$
select count(*) = 1 and bool_and(
    c.appointment_id = a.id and c.appointment_made and c.appointment_link_status = 'linked'
    and c.appointment_linked_at is not null and c.company_id = a.company_id
)
from public.calls as c
inner join public.appointments as a on a.call_id = c.id and a.deleted_at is null
where c.id = $1;
$$;

create temporary view customers_of as
select c.id as call_id, a.customer_id, c.customer_id as customer_of_call
from public.calls as c
inner join public.appointments as a on a.call_id = c.id;

-- guard
select factory.call(id => 1);
select factory.call(id => 2);
select factory.appointment(id => 11, call_id => 1);
select factory.call(id => 3, booking_confirmed => true, deleted_at => '2025-10-21 09:00:00+00');
update trueup.guards set mode = 'enforce' where name = 'call_booked_without_appointment';
set constraints public.call_booked_without_appointment immediate;

select lives_ok(
    'update public.calls set booking_confirmed = true where id = 1',
    'a call with an appointment may be confirmed'
);
select throws_ok(
    'update public.calls set booking_confirmed = true where id = 2',
    '23514', null, 'a call without one may not'
);
select throws_ok(
    'select factory.call(id => 4, booking_confirmed => true)', '23514', null, 'nor may a new one'
);
select throws_ok(
    'update public.calls set deleted_at = null where id = 3', '23514', null, 'nor may one that comes back'
);
select throws_ok(
    'delete from public.appointments where id = 11', '23514', null, 'the appointment may not be deleted'
);
select throws_ok(
    $$update public.appointments set deleted_at = '2025-10-21 09:00:00+00' where id = 11$$,
    '23514', null, 'not even softly'
);
select throws_ok(
    'update public.appointments set call_id = 2 where id = 11', '23514', null, 'nor be given to another call'
);
select lives_ok(
    $$
    update public.appointments set status = 'cancelled', cancelled_at = '2025-10-21 09:00:00+00' where id = 11
    $$,
    'near miss: a cancelled appointment was still made'
);
select lives_ok(
    $$
    update public.appointments
    set starts_at = starts_at + interval '1 hour', ends_at = ends_at + interval '1 hour'
    $$,
    'near miss: one may be moved'
);
select lives_ok(
    $$
    update public.calls set deleted_at = '2025-10-21 09:00:00+00' where id = 1;
    delete from public.appointments where id = 11
    $$,
    'near miss: a deleted call needs none'
);
set constraints public.call_booked_without_appointment deferred;
select lives_ok(
    $$
    select factory.call(id => 5, booking_confirmed => true);
    select factory.appointment(id => 15, call_id => 5);
    set constraints public.call_booked_without_appointment immediate
    $$,
    'near miss: the call first, the appointment later in the transaction'
);
update trueup.guards set mode = 'observe' where name = 'call_booked_without_appointment';
select lives_ok('update public.calls set booking_confirmed = true where id = 2', 'observe refuses nothing');
select is(
    (
        select count(*)
        from trueup.data_consistency_alerts as al
        where al.alert_type = 'call_booked_without_appointment' and al.entity_id = '2' and al.status = 'open'
    ),
    1::bigint,
    'and files the alert'
);
delete from public.calls where id = 2;

-- check
set constraints all immediate;
select factory.behind_the_back(true);
select factory.call(id => 20, booking_confirmed => true);
select factory.call(id => 21, booking_confirmed => true, booking_id => 'bk-21');
select factory.appointment(id => 121, call_id => 21, deleted_at => '2025-10-21 09:00:00+00');
select factory.call(id => 22, booking_confirmed => true);
select factory.appointment(
    id => 122, call_id => 22, status => 'cancelled', cancelled_at => '2025-10-21 09:00:00+00'
);
select factory.call(id => 23, booking_details => pg_temp.proof('bk-23'));
select factory.call(id => 24, appointment_made => true);
select factory.behind_the_back(false);
set constraints all deferred;

select set_eq(
    'select entity_id from trueup.call_booked_without_appointment',
    array[20, 21]::bigint[],
    'the check lists confirmed calls without an undeleted appointment, and no other'
);
select is(
    v.evidence,
    '{"proof": null, "booking_id": "bk-21", "deleted_appointment_ids": [121]}',
    'with what is known of the booking'
)
from trueup.call_booked_without_appointment as v
where v.entity_id = 21;

-- repair: link what exists
set constraints all immediate;
select factory.behind_the_back(true);
select factory.customer(id => 1, phone => '+49 170 0000031', email => 'k1@example.com');
select factory.customer(id => 2, phone => '+49 170 0000032');
select factory.customer(id => 3, deleted_at => '2025-10-21 09:00:00+00');
select factory.customer(id => 5, phone => '+49 170 0000035', email => 'k5@example.com');
select factory.customer(id => 4, company_id => 2, phone => '+49 170 0000052', email => 'foreign@example.com');

select factory.call(
    id => 30, booking_confirmed => true, booking_id => 'bk-30', from_number => '+491700000031'
);
select factory.appointment(id => 130, customer_id => 1, calcom_booking_uid => 'bk-30');
select factory.call(
    id => 31, booking_confirmed => true, customer_id => 1, customer_link_status => 'linked',
    customer_link_method => 'manual_link', customer_linked_at => '2025-10-20 09:00:00+00',
    booking_details => pg_temp.proof('bk-31')
);
select factory.appointment(id => 131, calcom_booking_uid => 'bk-31');
select factory.call(id => 32, booking_confirmed => true, booking_details => pg_temp.proof('bk-32'));
select factory.appointment(id => 132, calcom_booking_id => 9000032);
select factory.call(id => 33, booking_confirmed => true, booking_id => '9000033');
select factory.appointment(id => 133, calcom_booking_id => 9000033, calcom_booking_uid => 'bk-33');
select factory.appointment(id => 233, calcom_booking_uid => 'bk-33', deleted_at => '2025-10-21 09:00:00+00');
select factory.call(id => 34, booking_confirmed => true, booking_id => 'bk-34', from_number => 'anonymous');
select factory.appointment(
    id => 134, customer_id => 2, calcom_booking_uid => 'bk-34', status => 'cancelled',
    cancelled_at => '2025-10-21 09:00:00+00'
);
select factory.call(
    id => 35, booking_confirmed => true, booking_id => 'bk-35', customer_id => 1,
    customer_link_status => 'linked',
    customer_link_method => 'manual_link', customer_linked_at => '2025-10-20 09:00:00+00'
);
select factory.appointment(
    id => 135, customer_id => 2, calcom_booking_uid => 'bk-35', metadata => '{"booked_for": "a child"}'
);
select factory.call(id => 36, booking_confirmed => true, booking_id => 'bk-36');
select factory.appointment(id => 136, customer_id => 3, calcom_booking_uid => 'bk-36');
select factory.behind_the_back(false);
set constraints all deferred;

select is(pg_temp.repair(30), 'corrected: linked by booking uid', 'the booking uid is evidence');
select ok(pg_temp.both_ways(30), 'both sides point at each other');
select results_eq(
    $$
    select customer_id, customer_link_status, customer_link_method, customer_link_confidence,
    customer_linked_at is not null
    from public.calls where id = 30
    $$,
    $$values (1::bigint, 'linked', 'phone_match', 100.00, true)$$,
    'the call gets the customer of the appointment; the number proves it'
);
select is(
    (select c.session_outcome from public.calls as c where c.id = 30), 'appointment_booked', 'and the outcome'
);
select is(
    pg_temp.repair(31), 'corrected: linked by booking uid', 'the uid may stand in booking_details alone'
);
select is(
    (select a.customer_id from public.appointments as a where a.id = 131), 1::bigint,
    'the appointment gets the customer of the call'
);
select is(
    (select c.customer_link_method from public.calls as c where c.id = 31), 'manual_link',
    'whose link stays as it was'
);
select is(pg_temp.repair(32), 'corrected: linked by booking number', 'the number of the booking is evidence');
select is((select c.customer_id from public.calls as c where c.id = 32), null, 'no customer is guessed');
select is(
    pg_temp.repair(33), 'corrected: linked by booking number',
    'booking_id may hold the number; a deleted row counts not'
);
select is(pg_temp.repair(34), 'corrected: linked by booking uid', 'a cancelled appointment was made as well');
select results_eq(
    'select customer_id, customer_link_method, customer_link_confidence from public.calls where id = 34',
    $$values (2::bigint, 'appointment_link', 100.00)$$,
    'a withheld number proves nothing, the booking does'
);
select is(pg_temp.repair(35), 'corrected: linked by booking uid', 'booked for somebody else');
select results_eq(
    'select customer_id, customer_of_call from customers_of where call_id = 35',
    'values (2::bigint, 1::bigint)',
    'then either keeps its customer'
);
select is(
    pg_temp.repair(36), 'corrected: linked by booking uid', 'the customer of the appointment was deleted'
);
select is(
    (select c.customer_id from public.calls as c where c.id = 36), null, 'then the call is not given one'
);
select ok(bool_and(pg_temp.both_ways(i)), 'all of them both ways') from generate_series(30, 36) as i;

-- repair: what exists, but a person decides
set constraints all immediate;
select factory.behind_the_back(true);
select factory.legacy('appointments_booking_uid_key');
select factory.call(id => 40, booking_confirmed => true, booking_id => 'bk-40');
select factory.appointment(id => 140, calcom_booking_uid => 'bk-40');
select factory.appointment(id => 240, calcom_booking_uid => 'bk-40');
select factory.call(id => 41, booking_confirmed => true, booking_id => 'bk-41');
select factory.call(id => 141);
select factory.appointment(id => 141, call_id => 141, calcom_booking_uid => 'bk-41');
select factory.call(id => 42, booking_confirmed => true, booking_details => pg_temp.proof('bk-42'));
select factory.appointment(id => 142, calcom_booking_id => 9000042, calcom_booking_uid => 'bk-other');
select factory.call(id => 43, booking_confirmed => true, booking_id => 'bk-43');
select factory.appointment(id => 143, calcom_booking_uid => 'bk-43');
select factory.modification(id => 43, appointment_id => 143, call_id => 43);
select factory.call(
    id => 44, booking_confirmed => true, booking_id => 'bk-44', session_outcome => 'appointment_rescheduled'
);
select factory.legacy('calls_session_outcome_vocabulary', 'calls_customer_link_status_vocabulary');
select factory.call(
    id => 49, booking_confirmed => true, booking_id => 'bk-49', session_outcome => 'Appointment_Rescheduled'
);
select factory.appointment(id => 149, calcom_booking_uid => 'bk-49', created_at => '2025-10-19 09:00:00+00');
select factory.appointment(id => 144, calcom_booking_uid => 'bk-44', created_at => '2025-10-19 09:00:00+00');
select factory.call(
    id => 45, booking_confirmed => true, booking_id => 'bk-45', customer_id => 1,
    customer_link_status => 'linked',
    customer_link_method => 'manual_link', customer_linked_at => '2025-10-20 09:00:00+00'
);
select factory.appointment(id => 145, customer_id => 2, calcom_booking_uid => 'bk-45');
select factory.call(id => 46, booking_confirmed => true, booking_details => pg_temp.proof('bk-46'));
select factory.appointment(id => 146, calcom_booking_uid => 'bk-46', deleted_at => '2025-10-21 09:00:00+00');
select factory.call(
    id => 47, booking_confirmed => true, booking_id => 'bk-1047', booking_details => pg_temp.proof('bk-47')
);
select factory.appointment(id => 147, calcom_booking_uid => 'bk-47');
select factory.call(id => 48, booking_confirmed => true, booking_id => 'bk-48');
select factory.appointment(id => 148, company_id => 2, calcom_booking_uid => 'bk-48');
select factory.behind_the_back(false);
set constraints all deferred;
create temporary table before as
select to_jsonb(c) as row_was from public.calls as c where c.id between 40 and 49;

select is(pg_temp.repair(40), 'review: several appointments bear the booking', 'two appointments');
select is(
    pg_temp.repair(41), 'review: the appointment of this booking belongs to another call', 'another call'
);
select is(
    pg_temp.repair(42), 'review: the appointment with this booking number bears another booking uid',
    'another uid'
);
select is(
    pg_temp.repair(43), 'review: the call changed the appointment and did not make it',
    'D2, recorded'
);
select is(
    pg_temp.repair(44),
    'review: the call changed the appointment and did not make it',
    'D2, by its outcome and the age of the appointment'
);
select is(
    pg_temp.repair(49),
    'review: the call changed the appointment and did not make it',
    'however the outcome is spelled'
);
select is(
    pg_temp.repair(45), 'review: the appointment is for another customer than the call',
    'who is it?'
);
select is(
    pg_temp.repair(46), 'review: the appointment of this booking was deleted', 'somebody wanted it gone'
);
select is(
    pg_temp.repair(47), 'review: booking_id and booking_details name different bookings', 'which booking?'
);
select is(
    pg_temp.repair(48), 'review: no appointment bears the booking, and booking_details proves none',
    'another company''s appointment is not looked at'
);
select set_eq(
    'select to_jsonb(c) from public.calls as c where c.id between 40 and 49', 'select row_was from before',
    'none of these calls was changed'
);
select is(
    (select count(*) from public.appointments as a where a.source = 'backfill'), 0::bigint,
    'nothing was created'
);

-- repair: create what is missing
set constraints all immediate;
select factory.behind_the_back(true);
select factory.call(
    id => 50, booking_confirmed => true, booking_id => 'bk-50', from_number => '0049 170 0000031',
    booking_details => pg_temp.proof('bk-50')
);
select factory.call(
    id => 51, booking_confirmed => true, from_number => '+491700000051', booking_details => pg_temp.proof(
        'bk-51', pg_temp.attended('K5@Example.com')
    )
);
select factory.call(
    id => 52, booking_confirmed => true, from_number => '+491700000052', booking_details => pg_temp.proof(
        'bk-52', pg_temp.attended('foreign@example.com')
    )
);
select factory.call(
    id => 53, booking_confirmed => true, from_number => 'anonymous', customer_link_status => 'anonymous',
    booking_details => pg_temp.proof('bk-53', pg_temp.attended('desk@example.com'))
);
select factory.call(
    id => 54, booking_confirmed => true, from_number => null, customer_link_status => 'anonymous',
    booking_details => to_jsonb(
        pg_temp.proof('bk-54', pg_temp.attended('desk@example.com', 'Guten Tag!'))::text
    )
);
select factory.call(
    id => 55, booking_confirmed => true, from_number => 'unknown', customer_link_status => 'anonymous',
    booking_details => pg_temp.proof('bk-55', pg_temp.attended('k1@example.com'))
);
select factory.call(
    id => 61, booking_confirmed => true, from_number => '+491700000061',
    booking_details => pg_temp.proof('bk-61', pg_temp.attended('k5@example.com'))
);
select factory.call(
    id => 62, booking_confirmed => true, from_number => '0049 170 0000051',
    booking_details => pg_temp.proof('bk-62', pg_temp.attended('k5@example.com'))
);
select factory.call(
    id => 63, booking_confirmed => true, from_number => '+491700000063',
    booking_details => pg_temp.proof('bk-63', pg_temp.attended('desk@example.com'))
);
select factory.call(
    id => 64, booking_confirmed => true, from_number => '+491700000064',
    booking_details => pg_temp.proof('bk-64', pg_temp.attended('desk@example.com'))
);
select factory.call(
    id => 56, booking_confirmed => true, customer_id => 2, customer_link_status => 'linked',
    customer_link_method => 'manual_link', customer_linked_at => '2025-10-20 09:00:00+00',
    from_number => '+491700000031', booking_details => pg_temp.proof('bk-56')
);
select factory.call(
    id => 65, booking_confirmed => true, from_number => '+491700000031', customer_link_status => 'Pending_Review',
    booking_details => pg_temp.proof('bk-65')
);
select factory.phone_number(id => 1, number => '+493000000000');
select factory.call(
    id => 68, booking_confirmed => true, direction => 'outbound', from_number => '+493000000000',
    to_number => '+491700000031', booking_details => pg_temp.proof('bk-68')
);
select factory.legacy('calls_direction_known');
select factory.call(
    id => 69, booking_confirmed => true, direction => null, from_number => '+493000000000',
    to_number => '+491700000069', booking_details => pg_temp.proof('bk-69', pg_temp.attended('k69@example.com'))
);
select factory.call(
    id => 57, booking_confirmed => true, from_number => '+491700000057', booking_failed => true,
    session_outcome => 'creation_failed', appointment_link_status => 'creation_failed',
    booking_details => pg_temp.proof(
        'bk-57', pg_temp.attended('k57@example.com'), '{"appointment_creation_failed": true}'
    )
);
select factory.call(
    id => 58, booking_confirmed => true, from_number => '+491700000057',
    session_outcome => 'information_only', booking_details => pg_temp.proof(
        'bk-58', '{"status": "CANCELLED", "start": "2025-10-23T12:00:00Z", "end": null}'
    )
);
select factory.call(
    id => 59, booking_confirmed => true, from_number => '+491700000031',
    booking_details => pg_temp.proof('bk-59', '{"status": "rejected"}')
);
select factory.call(
    id => 60, booking_confirmed => true, from_number => '+491700000060', booking_details => pg_temp.proof(
        'bk-60', pg_temp.attended(null, null) || '{"status": "pending", "id": null}', '{"confirmed_at": null}'
    )
);
update public.calls set branch_id = 1 where id = 50;
select factory.behind_the_back(false);
set constraints all deferred;

select is(pg_temp.repair(50), 'corrected: created from the provider booking', 'the proof is evidence');
select ok(pg_temp.both_ways(50), 'both sides point at each other');
select results_eq(
    $$
    select
        company_id, branch_id, customer_id, service_id, staff_id, starts_at, ends_at, status, source,
        sync_origin,
        calcom_booking_id, calcom_booking_uid, calcom_sync_status, cancelled_at, created_at
    from public.appointments
    where call_id = 50
    $$,
    $$
    values (
        1::bigint, 1::bigint, 1::bigint, 1::bigint, null::bigint, '2025-10-22 12:00:00+00'::timestamptz,
        '2025-10-22 12:45:00+00'::timestamptz, 'confirmed', 'backfill', 'system', 9000050::bigint, 'bk-50',
        'synced',
        null::timestamptz, '2025-10-20 09:00:30+00'::timestamptz
    )
    $$,
    'the appointment says what the provider says'
);
select results_eq(
    $$
    select customer_id, customer_link_status, customer_link_method, customer_link_confidence, session_outcome
    from public.calls where id = 50
    $$,
    $$values (1::bigint, 'linked', 'phone_match', 100.00, 'appointment_booked')$$,
    'the customer was found by the number'
);
select is(pg_temp.repair(50), 'review: the call has its appointment', 'a second run finds nothing to do');
select is(
    (select count(*) from public.appointments as a where a.call_id = 50), 1::bigint, 'and changes nothing'
);

select is(
    (trueup.repair_call_booked_without_appointment(51)).evidence
    - 'appointment_id' - 'service_id' - 'provider_status',
    '{"booking_uid": "bk-51", "booking_number": 9000051, "customer_id": 5, "customer_found": "email"}',
    'the customer was found by the address; the evidence says how'
);
select results_eq(
    'select customer_id, customer_link_method, customer_link_confidence from public.calls where id = 51',
    $$values (5::bigint, 'appointment_link', 100.00)$$,
    'another number is no phone match'
);
select is(
    (trueup.repair_call_booked_without_appointment(61)).evidence ->> 'customer_found',
    'created for another number',
    'an address that has brought one strange number brings no second; the evidence says so'
);
select results_eq(
    $$
    select k.id <> 5, k.phone, k.email, k.notes, c.customer_link_method
    from public.calls as c join public.customers as k on c.customer_id = k.id where c.id = 61
    $$,
    $$
    values (
        true, '+491700000061', null::text, 'address given with the booking: k5@example.com', 'phone_match'
    )
    $$,
    'the caller is a customer of its own, and the address is kept for people'
);
select is(
    (trueup.repair_call_booked_without_appointment(62)).evidence -> 'customer_id', '5',
    'the strange number, written otherwise, finds the customer again'
);
select is(
    (trueup.repair_call_booked_without_appointment(63)).evidence ->> 'customer_found', 'created',
    'two strangers, one fallback address: the first'
);
select is(
    (trueup.repair_call_booked_without_appointment(64)).evidence ->> 'customer_found',
    'created for another number',
    'and the second'
);
select is(
    (select count(distinct c.customer_id) from public.calls as c where c.id in (51, 61, 63, 64)), 4::bigint,
    'four numbers are four customers'
);

select is(
    pg_temp.repair(52), 'corrected: created from the provider booking', 'a customer only another company has'
);
select results_eq(
    $$
    select k.company_id, k.id <> 4, k.phone, k.email, k.name, k.source, c.customer_link_method
    from public.calls as c join public.customers as k on c.customer_id = k.id where c.id = 52
    $$,
    $$
    values (
        1::bigint, true, '+491700000052', 'foreign@example.com', 'Erika Muster', 'backfill', 'phone_match'
    )
    $$,
    'becomes a customer of this company'
);
select is(
    (select count(*) from public.calls as c where c.customer_id = 4), 0::bigint,
    'and the other''s is left alone'
);

select is(
    pg_temp.repair(53), 'corrected: created from the provider booking', 'a caller who withheld the number'
);
select is(
    pg_temp.repair(54), 'corrected: created from the provider booking',
    'and another, at the same fallback address'
);
select results_eq(
    $$
    select c.id, k.phone, k.email, k.name, c.customer_link_status, c.customer_link_method
    from public.calls as c join public.customers as k on c.customer_id = k.id
    where c.id in (53, 54)
    order by c.id
    $$,
    $$
    values
        (53::bigint, null::text, 'call-53@withheld.invalid', 'Erika Muster', 'linked', 'appointment_link'),
        (54::bigint, null, 'call-54@withheld.invalid', null, 'linked', 'appointment_link')
    $$,
    'are two customers, with a placeholder each, and no phrase as a name'
);
select is(
    (select k.notes from public.customers as k where k.email = 'call-53@withheld.invalid'),
    'address given with the booking: desk@example.com',
    'the address given is kept for people'
);
select is_empty(
    'select entity_id from trueup.customer_duplicate', 'and nobody here is a duplicate'
);
select is(
    pg_temp.repair(55), 'corrected: created from the provider booking',
    'a withheld number, but a known address'
);
select results_eq(
    $$
    select k.email, k.notes
    from public.calls as c join public.customers as k on c.customer_id = k.id where c.id = 55
    $$,
    $$values ('call-55@withheld.invalid', 'address given with the booking: k1@example.com')$$,
    'is a customer of its own all the same'
);

select is(
    pg_temp.repair(56), 'corrected: created from the provider booking', 'a call whose customer is known'
);
select results_eq(
    'select customer_id, customer_of_call from customers_of where call_id = 56',
    'values (2::bigint, 2::bigint)',
    'keeps it, whatever the number says'
);

select is(
    pg_temp.repair(57), 'corrected: created from the provider booking', 'shape (c): the creation had failed'
);
select ok(pg_temp.both_ways(57), 'now it has not');
select results_eq(
    'select session_outcome, booking_failed, booking_failure_reason from public.calls where id = 57',
    $$values ('appointment_booked', false, null::text)$$,
    'and the call does not say so any more'
);
select is_empty(
    'select 1 from trueup.call_creation_failed_unqueued as v where v.entity_id = 57',
    'so nobody has to be told'
);

select is(pg_temp.repair(58), 'corrected: created from the provider booking', 'a booking cancelled since');
select results_eq(
    $$
    select status, cancelled_at, metadata, ends_at from public.appointments where call_id = 58
    $$,
    $$
    values (
        'cancelled', '2025-10-20 09:00:30+00'::timestamptz, '{"cancelled_at_estimated": true}'::jsonb,
        '2025-10-23 12:45:00+00'::timestamptz
    )
    $$,
    'stays cancelled; the time is marked as estimated'
);
select is(
    (select c.session_outcome from public.calls as c where c.id = 58), 'appointment_booked',
    'the provider outranks an opinion'
);
select is(
    (select count(distinct c.customer_id) from public.calls as c where c.id in (57, 58)), 1::bigint,
    'a customer made for one call is found by its number for the next'
);
select pg_temp.repair(65);
select results_eq(
    'select session_outcome, customer_link_status, customer_id from public.calls where id = 65',
    $$values ('appointment_booked', 'pending_review', 1::bigint)$$,
    'what is not overwritten stays, however it was spelled'
);
select is(
    (trueup.repair_call_booked_without_appointment(i)).evidence ->> 'customer_found',
    case i when 68 then 'phone' else 'created' end,
    'the customer is at the other end of the line'
)
from generate_series(68, 69) as i;
select results_eq(
    $$
    select c.id, k.phone, c.customer_link_method
    from public.calls as c join public.customers as k on c.customer_id = k.id
    where c.id in (68, 69) order by c.id
    $$,
    $$values (68::bigint, '+49 170 0000031', 'phone_match'), (69, '+491700000069', 'phone_match')$$,
    'of an outbound call it is the one who was called'
);
select is(pg_temp.repair(59), 'corrected: created from the provider booking', 'a rejected booking');
select is(
    (select a.status from public.appointments as a where a.call_id = 59), 'cancelled', 'is a cancelled one'
);
select is(pg_temp.repair(60), 'corrected: created from the provider booking', 'a booking not yet accepted');
select results_eq(
    'select status, calcom_booking_id, created_at from public.appointments where call_id = 60',
    $$values ('pending', null::bigint, '2025-10-20 09:01:01+00'::timestamptz)$$,
    'is pending; without confirmed_at the end of the call is the time of booking'
);
select ok(bool_and(pg_temp.both_ways(i)), 'all of them both ways') from generate_series(50, 65) as i;

-- repair: nothing to create it from
set constraints all immediate;
select factory.behind_the_back(true);
select factory.customer(id => 70, phone => '+491700000070');
select factory.customer(id => 71, phone => '+491700000070');
select factory.call(
    id => 70, booking_confirmed => true, from_number => '+491700000070',
    booking_details => pg_temp.proof('bk-70')
);
select factory.call(
    id => 71, booking_confirmed => true, booking_details => pg_temp.proof('bk-71', '{"eventTypeId": 700002}')
);
select factory.call(
    id => 72, booking_confirmed => true, booking_details => pg_temp.proof('bk-72', '{"eventTypeId": 700003}')
);
select factory.call(
    id => 73, booking_confirmed => true, booking_details => pg_temp.proof('bk-73', '{"eventTypeId": null}')
);
select factory.call(
    id => 74, booking_confirmed => true, booking_details => pg_temp.proof('bk-74', '{"start": "soon"}')
);
select factory.call(
    id => 75, booking_confirmed => true,
    booking_details => pg_temp.proof('bk-75', '{"end": "2025-10-22T12:00:00Z"}')
);
select factory.call(
    id => 76, booking_confirmed => true, booking_details => pg_temp.proof('bk-76', '{"status": "draft"}')
);
select factory.call(
    id => 77, booking_confirmed => true, booking_id => 'bk-77',
    booking_details => '{"starts_at": "2025-10-22T12:00:00Z", "service_name": "service 1", "confidence": 80}'
);
select factory.call(
    id => 78, booking_confirmed => true,
    booking_details => '{"date": "22.10.2025", "time": "14:00", "service": "service 1"}'
);
select factory.call(
    id => 79, booking_confirmed => true, customer_id => 3, customer_link_status => 'linked',
    customer_link_method => 'manual_link', customer_linked_at => '2025-10-20 09:00:00+00',
    booking_details => pg_temp.proof('bk-79')
);
select factory.call(
    id => 66, booking_confirmed => true, from_number => '+491700000031',
    session_outcome => 'appointment_rescheduled', booking_details => pg_temp.proof('bk-66')
);
select factory.call(
    id => 67, booking_confirmed => true, from_number => '+491700000031',
    session_outcome => 'Appointment_Cancelled', booking_details => pg_temp.proof('bk-67')
);
select factory.legacy('calls_company_known');
select factory.call(
    id => 80, company_id => null, booking_confirmed => true, booking_details => pg_temp.proof('bk-80')
);
select factory.behind_the_back(false);
set constraints all deferred;
create temporary table counts as
select (select count(*) from public.appointments) as appointments,
(select count(*) from public.customers) as customers;

select is(
    pg_temp.repair(70), 'review: several customers have the phone of the booking', 'two customers, one number'
);
select is(
    pg_temp.repair(71), 'review: the event type of the booking is no service of the company',
    'another company''s service'
);
select is(pg_temp.repair(72), 'review: several services have the event type of the booking', 'two services');
select is(
    pg_temp.repair(73), 'review: the event type of the booking is no service of the company',
    'no first active service'
);
select is(pg_temp.repair(74), 'review: the booking has no readable start and end', 'a start nobody can read');
select is(pg_temp.repair(75), 'review: the booking ends before it starts', 'no time at all');
select is(pg_temp.repair(76), 'review: the booking has a status we do not know', 'an unknown status');
select is(
    pg_temp.repair(77), 'review: no appointment bears the booking, and booking_details proves none',
    'shape (d) proves nothing'
);
select is(pg_temp.repair(78), 'review: nothing proves a booking', 'nor does shape (a)');
select is(
    pg_temp.repair(79), 'review: the customer of the call is deleted, or not one of the company',
    'a deleted customer'
);
select is(pg_temp.repair(80), 'review: the call has no company', 'a call of no company');
select is(
    array[pg_temp.repair(66), pg_temp.repair(67)],
    array_fill('review: no appointment bears the booking, and the call moved or cancelled one'::text, array[2]),
    'D2: what a call moved comes under a new uid'
);
select results_eq(
    'select (select count(*) from public.appointments), (select count(*) from public.customers)',
    'select appointments, customers from counts',
    'none of them created anything'
);
select set_eq(
    'select entity_id from trueup.call_booked_without_appointment',
    array[20, 21, 40, 41, 42, 43, 44, 45, 46, 47, 48, 49, 66, 67, 70, 71, 72, 73, 74, 75, 76, 77, 78, 79, 80]::bigint[],
    'what a person decides is still reported, the rest is clean'
);
set constraints all immediate;
select pass('and every deferred reference holds');

select * from finish();
rollback;
