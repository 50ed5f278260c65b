-- call_failed_but_booked: the sync, then the check, then the repair

begin;
select plan(16);

select factory.company(1);
select factory.call(id => 1, booking_failed => true, session_outcome => 'creation_failed');
select factory.call(id => 2, booking_failed => true, session_outcome => 'technical_issue');
select factory.call(id => 3);
select factory.call(id => 4);
select factory.call(id => 5);
select factory.call(id => 6, booking_failed => true);
update public.calls set booking_failure_reason = 'slot taken' where id in (1, 2);
set constraints all immediate;

-- sync
select factory.appointment(id => 11, call_id => 1);
select row_eq(
    'select c.booking_failed, c.booking_failure_reason, c.session_outcome from public.calls as c where c.id = 1',
    row(false, null::text, 'appointment_booked'::text),
    'a live appointment outranks the failure'
);
select factory.appointment(
    id => 12, call_id => 2, status => 'cancelled', cancelled_at => '2025-10-21 09:00:00+00'
);
select row_eq(
    'select c.booking_failed, c.booking_failure_reason, c.appointment_made from public.calls as c where c.id = 2',
    row(true, 'slot taken'::text, true),
    'near miss: a cancelled one does not'
);
select is_empty('select entity_id from trueup.call_failed_but_booked', 'nor is it reported');
update public.appointments set status = 'confirmed', cancelled_at = null where id = 12;
select row_eq(
    'select c.booking_failed, c.booking_failure_reason, c.session_outcome from public.calls as c where c.id = 2',
    row(false, null::text, 'technical_issue'::text),
    'until it is revived; another outcome stays'
);

-- check
select factory.appointment(id => 13, call_id => 3);
select factory.appointment(id => 14, call_id => 4);
select factory.appointment(id => 15, call_id => 5);
select factory.behind_the_back(true);
update public.calls set booking_failed = true, booking_failure_reason = 'timeout' where id = 3;
update public.calls set session_outcome = 'creation_failed' where id = 4;
update public.calls set appointment_link_status = 'creation_failed' where id = 5;
select factory.behind_the_back(false);

select set_eq(
    'select entity_id from trueup.call_failed_but_booked',
    array[3, 4, 5]::bigint[],
    'the check lists the three ways to say so; not a call that failed and has nothing'
);

-- repair
select is((trueup.repair_call_failed_but_booked(3)).outcome, 'corrected', 'flag: corrected');
select is((trueup.repair_call_failed_but_booked(4)).outcome, 'corrected', 'outcome: corrected');
select is((trueup.repair_call_failed_but_booked(5)).outcome, 'corrected', 'link status: corrected');
select results_eq(
    $$
    select c.booking_failed, c.booking_failure_reason, c.session_outcome, c.appointment_link_status
    from public.calls as c where c.id in (3, 4, 5) order by c.id
    $$,
    $$
    values
    (false, null::text, 'appointment_booked', 'linked'),
    (false, null, 'appointment_booked', 'linked'),
    (false, null, 'appointment_booked', 'linked')
    $$,
    'all three agree with the appointment'
);
select is_empty('select entity_id from trueup.call_failed_but_booked', 'clean again');
select is_empty('select entity_id from trueup.call_appointment_not_flagged', 'in the other checks too');
select is((trueup.repair_call_failed_but_booked(6)).outcome, 'review', 'nothing is cleared without an appointment');
select ok((select c.booking_failed from public.calls as c where c.id = 6), 'and the failure stands');

-- words outside the vocabulary
select factory.legacy('appointments_status_vocabulary', 'appointments_cancel_agrees');
select factory.behind_the_back(true);
update public.calls set booking_failed = true where id in (3, 4, 5);
update public.appointments set status = 'Cancelled' where id = 13;
update public.appointments set status = 'abgesagt' where id = 14;
update public.appointments set status = 'Accepted' where id = 15;
select factory.behind_the_back(false);
select set_eq(
    'select entity_id from trueup.call_failed_but_booked',
    array[4, 5]::bigint[],
    'another spelling of cancelled is not live; an unknown word may be'
);
select is(
    (trueup.repair_call_failed_but_booked(4)).outcome, 'review', 'but a person says first what it means'
);
select is((trueup.repair_call_failed_but_booked(5)).outcome, 'corrected', 'a synonym of confirmed proves enough');

select * from finish();
rollback;
