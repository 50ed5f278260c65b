-- call_linked_without_appointment: the sync, then the check, then the repair

begin;
select plan(9);

select factory.company(1);
select factory.call(id => 1);
select factory.call(id => 2);
select factory.call(id => 3, booking_id => 'uid-3');
select factory.call(id => 4, appointment_link_status => 'pending_creation');
select factory.call(id => 5);
select factory.call(id => 6);
select factory.appointment(id => 11, call_id => 1);
select factory.appointment(id => 13, calcom_booking_uid => 'uid-3');
set constraints all immediate;

-- sync
update public.appointments set deleted_at = '2025-10-21 09:00:00+00' where id = 11;
select row_eq(
    'select c.appointment_link_status, c.appointment_linked_at from public.calls as c where c.id = 1',
    row('unlinked'::text, null::timestamptz),
    'the link goes with its last appointment'
);
select is_empty('select entity_id from trueup.call_linked_without_appointment', 'nothing is reported');

-- check
select factory.behind_the_back(true);
update public.calls set appointment_link_status = 'linked' where id in (2, 3, 5);
update public.calls set appointment_made = true where id = 5;
update public.calls set appointment_linked_at = '2025-10-20 09:01:00+00' where id = 6;
select factory.behind_the_back(false);

select set_eq(
    'select entity_id from trueup.call_linked_without_appointment',
    array[2, 3, 6]::bigint[],
    'the check lists them, and leaves a flagged call to call_made_without_appointment'
);
select ok(
    exists (select 1 from trueup.call_made_without_appointment as v where v.entity_id = 5),
    'which reports it'
);

-- repair
select is(
    (trueup.repair_call_linked_without_appointment(3)).outcome, 'corrected', 'the booking uid is evidence'
);
select row_eq(
    'select c.appointment_made, c.appointment_id, c.appointment_link_status from public.calls as c where c.id = 3',
    row(true, 13::bigint, 'linked'::text),
    'the appointment sets the flags'
);
select is(
    (trueup.repair_call_linked_without_appointment(2)).outcome, 'review', 'without evidence a person decides'
);
select is(
    (select c.appointment_link_status from public.calls as c where c.id = 2), 'linked', 'and the status stays'
);
select set_eq(
    'select entity_id from trueup.call_linked_without_appointment',
    array[2, 6]::bigint[],
    'the calls under review are still reported'
);

select * from finish();
rollback;
