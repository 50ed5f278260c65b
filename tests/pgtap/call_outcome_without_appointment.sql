-- call_outcome_without_appointment: the guard, then the check, then the repair

begin;
select plan(24);

select factory.legacy('calls_booking_details_decoded');
select factory.company(1);
select factory.call(id => 1);
select factory.call(id => 2);
select factory.call(id => 3, booking_id => 'uid-3');
select factory.call(id => 4);
select factory.call(id => 5);
select factory.appointment(id => 11, call_id => 1);
select factory.appointment(id => 13, calcom_booking_uid => 'uid-3');
update trueup.guards set mode = 'enforce' where name = 'call_outcome_without_appointment';
update trueup.guards set mode = 'off' where name = 'call_made_without_appointment';

-- guard
set constraints all immediate;

select lives_ok(
    $$update public.calls set session_outcome = 'appointment_booked' where id = 1$$,
    'a call with an appointment may have the outcome'
);
select throws_ok(
    $$update public.calls set session_outcome = 'appointment_booked' where id = 2$$,
    '23514', 'call 2 violates guard "call_outcome_without_appointment"', 'a call without one may not'
);
select throws_ok(
    $$select factory.call(id => 8, session_outcome => 'appointment_booked')$$,
    '23514', 'call 8 violates guard "call_outcome_without_appointment"', 'nor be inserted with it'
);
select throws_ok(
    'update public.calls set appointment_made = true where id = 2',
    '23514', 'call 2 violates guard "call_outcome_without_appointment"',
    'nor get it by a flag, of which the outcome follows'
);
select lives_ok(
    $$update public.calls set session_outcome = 'appointment_rescheduled' where id = 2$$,
    'near miss: a call that rescheduled has no appointment of its own'
);
select lives_ok(
    $$
    update public.calls set session_outcome = 'appointment_booked', deleted_at = '2025-10-21 09:00:00+00'
    where id = 5
    $$,
    'near miss: a deleted call'
);
select throws_ok(
    'update public.calls set deleted_at = null where id = 5',
    '23514', 'call 5 violates guard "call_outcome_without_appointment"', 'which may not be restored'
);

-- in one transaction in either order
set constraints all deferred;
update public.calls set session_outcome = 'appointment_booked' where id = 4;
select factory.appointment(id => 14, call_id => 4);
select lives_ok('set constraints all immediate', 'the outcome first, then the appointment');

-- the guard's half on appointments, with the sync out of its way
alter table public.appointments disable trigger appointments_sync_calls_update;
alter table public.appointments disable trigger appointments_sync_calls_delete;
select throws_ok(
    $$update public.appointments set deleted_at = '2025-10-21 09:00:00+00' where id = 11$$,
    '23514', 'call 1 violates guard "call_outcome_without_appointment"', 'a soft delete leaves no outcome behind'
);
select throws_ok(
    'update public.appointments set call_id = 2 where id = 11',
    '23514', 'call 1 violates guard "call_outcome_without_appointment"', 'nor does a re-assignment'
);
set constraints public.calls_company_id_appointment_id_fkey deferred;
select throws_ok(
    'delete from public.appointments where id = 11',
    '23514', 'call 1 violates guard "call_outcome_without_appointment"', 'nor does a hard delete'
);
alter table public.appointments enable trigger appointments_sync_calls_update;
alter table public.appointments enable trigger appointments_sync_calls_delete;

-- check: plant two violations behind the guard's back
select factory.behind_the_back(true);
update public.calls set session_outcome = 'appointment_booked' where id in (2, 3);
select factory.behind_the_back(false);

select set_eq(
    'select entity_id from trueup.call_outcome_without_appointment',
    array[2, 3]::bigint[],
    'the check lists the violating calls and no other'
);

-- repair
select is(
    (trueup.repair_call_outcome_without_appointment(3)).outcome, 'corrected', 'the booking uid is evidence'
);
select row_eq(
    'select c.appointment_made, c.appointment_id, c.session_outcome from public.calls as c where c.id = 3',
    row(true, 13::bigint, 'appointment_booked'::text),
    'the appointment sets the flags'
);
select is(
    (trueup.repair_call_outcome_without_appointment(2)).outcome, 'review', 'without evidence a person decides'
);
select row_eq(
    'select c.appointment_made, c.session_outcome from public.calls as c where c.id = 2',
    row(false, 'appointment_booked'::text),
    'the outcome is neither reset nor made into a flag'
);
select set_eq(
    'select entity_id from trueup.call_outcome_without_appointment',
    array[2]::bigint[],
    'the call under review is still reported'
);
select is_empty('select entity_id from trueup.call_made_without_appointment', 'no phantom booking was made');

-- where the uid comes from
set constraints all immediate;
select factory.behind_the_back(true);
select factory.call(
    id => 21, session_outcome => 'appointment_booked',
    booking_details => '{"calcom_booking": {"id": 9000021, "uid": "uid-21", "status": "accepted"}}'
);
select factory.call(
    id => 22, session_outcome => 'appointment_booked',
    booking_details => to_jsonb('{"calcom_booking": {"id": 9000022, "uid": "uid-22"}}'::text)
);
select factory.call(
    id => 23, session_outcome => 'appointment_booked', booking_id => '9000023',
    booking_details => '{"calcom_booking": {"id": 9000023, "uid": "uid-23"}}'
);
select factory.call(
    id => 24, session_outcome => 'appointment_booked', booking_id => 'uid-24',
    booking_details => '{"calcom_booking": {"id": 9000024, "uid": "uid-24b"}}'
);
select factory.call(id => 25, session_outcome => 'appointment_booked', booking_id => 'uid-25');
select factory.appointment(id => 30 + g, calcom_booking_uid => 'uid-' || 20 + g) from generate_series(1, 5) as g;
select factory.modification(id => 1, appointment_id => 35, call_id => 25);
select factory.customer(901), factory.customer(902);
select factory.call(id => 26, session_outcome => 'appointment_booked', booking_id => 'uid-26', customer_id => 901);
select factory.appointment(id => 36, calcom_booking_uid => 'uid-26', customer_id => 902);
set constraints all immediate;
select factory.behind_the_back(false);
select is(
    (trueup.repair_call_outcome_without_appointment(21)).outcome, 'corrected', 'the proof in booking_details tells'
);
select is(
    (trueup.repair_call_outcome_without_appointment(22)).outcome, 'corrected', 'also when it was encoded twice'
);
select is(
    (trueup.repair_call_outcome_without_appointment(23)).outcome,
    'corrected',
    'also when booking_id holds the number of the same booking'
);
select is(
    (trueup.repair_call_outcome_without_appointment(24)).reason,
    'booking_id and booking_details name different bookings',
    'two that differ prove nothing'
);
select is(
    (trueup.repair_call_outcome_without_appointment(25)).reason,
    'the call changed the appointment and did not make it',
    'a call that rescheduled it did not make it'
);
select is(
    (trueup.repair_call_outcome_without_appointment(26)).reason,
    'the appointment is for another customer than the call',
    'nor did a call of another customer'
);

select * from finish();
rollback;
