-- appointment_cancel_contradicts: the fill, the constraint, the check, then the repair

begin;
select plan(29);

select factory.company(1);
set constraints all immediate;

create function pg_temp.cancelled_at(p_id bigint) returns timestamptz language sql as $$
select a.cancelled_at from public.appointments as a where a.id = p_id;
$$;

-- fill: on insert
select factory.appointment(id => 11, status => 'cancelled');
select is(pg_temp.cancelled_at(11), now(), 'a row that comes cancelled is cancelled now');
select factory.appointment(id => 12, status => 'cancelled', cancelled_at => '2025-10-21 09:00:00+00');
select is(pg_temp.cancelled_at(12), '2025-10-21 09:00:00+00', 'near miss: a time that was given is kept');
select factory.appointment(id => 13, status => ' Cancelled ');
select is(
    (select a.status || ' ' || (a.cancelled_at = now())::text from public.appointments as a where a.id = 13),
    'cancelled true',
    'another spelling of cancelled as well'
);

-- fill: in an upsert, what it puts into the row is what EXCLUDED holds
create function pg_temp.upsert(p_id bigint) returns timestamptz language sql as $$
insert into public.appointments as a (company_id, calcom_booking_uid, starts_at, ends_at, status)
select o.company_id, o.calcom_booking_uid, o.starts_at, o.ends_at, 'cancelled'
from public.appointments as o where o.id = p_id
on conflict (company_id, calcom_booking_uid) where deleted_at is null and calcom_booking_uid is not null
do update set status = excluded.status, cancelled_at = coalesce(excluded.cancelled_at, a.cancelled_at)
returning a.cancelled_at;
$$;
select factory.appointment(
    id => 9, status => 'cancelled', cancelled_at => '2025-10-21 09:00:00+00', calcom_booking_uid => 'uid-9'
);
select factory.appointment(id => 10, calcom_booking_uid => 'uid-10');
select is(pg_temp.upsert(9), '2025-10-21 09:00:00+00', 'a cancellation that is delivered again does not move its time');
select is(pg_temp.upsert(10), now(), 'near miss: one that is new is now');

-- fill: on update
select factory.appointment(id => 14);
update public.appointments set status = 'cancelled' where id = 14;
select is(pg_temp.cancelled_at(14), now(), 'a status that becomes cancelled sets the time');
update public.appointments set status = 'confirmed' where id = 12;
select is(pg_temp.cancelled_at(12), null, 'a status that leaves cancelled takes the time along');
update public.appointments set status = 'cancelled', cancelled_at = '2025-10-21 10:00:00+00' where id = 12;
select is(pg_temp.cancelled_at(12), '2025-10-21 10:00:00+00', 'near miss: both written, both kept');
update public.appointments set notes = 'ill' where id = 12;
select is(pg_temp.cancelled_at(12), '2025-10-21 10:00:00+00', 'near miss: an unrelated update');

-- constraint: what the fill leaves alone
select throws_ok(
    $$update public.appointments set status = 'confirmed', cancelled_at = '2025-10-22 10:00:00+00' where id = 12$$,
    '23514', null, 'a status that leaves cancelled with another time contradicts'
);
select throws_ok(
    $$select factory.appointment(id => 15, cancelled_at => '2025-10-21 09:00:00+00')$$,
    '23514', null, 'a time without the status contradicts'
);
select factory.appointment(id => 15);
select throws_ok(
    $$update public.appointments set cancelled_at = '2025-10-21 09:00:00+00' where id = 15$$,
    '23514', null, 'also on a row that is there'
);
select throws_ok(
    'update public.appointments set cancelled_at = null where id = 12',
    '23514', null, 'and a time cannot be taken from a cancelled one'
);
select is_empty('select * from trueup.appointment_cancel_contradicts', 'nothing of this contradicts');

-- an undo restores the row as it was, and nothing completes it again
savepoint before_undo;
select factory.undoing(true);
select throws_ok(
    $$update public.appointments set status = 'cancelled' where id = 15$$,
    '23514', null, 'an undo is not completed'
);
rollback to savepoint before_undo;

-- check
select factory.behind_the_back(true);
select throws_ok(
    $$select factory.appointment(id => 16, status => 'cancelled')$$,
    '23514', null, 'without the fill the constraint refuses'
);
select factory.legacy('appointments_cancel_agrees', 'appointments_status_vocabulary');
select factory.appointment(id => 21, status => 'cancelled');
select factory.appointment(id => 22, status => 'cancelled');
select factory.appointment(id => 23, status => 'cancelled');
select factory.appointment(id => 24, cancelled_at => '2025-10-21 09:00:00+00');
select factory.appointment(id => 25, status => 'CANCELLED', cancelled_at => '2025-10-21 09:00:00+00');
select factory.appointment(id => 26, status => 'cancelled', deleted_at => '2025-10-21 09:00:00+00');
select factory.appointment(id => 27, status => 'cancelled');
select factory.modification(
    id => 1, appointment_id => 21, kind => 'cancel', created_at => '2025-10-21 08:00:00+00'
);
select factory.modification(
    id => 2, appointment_id => 21, kind => 'cancel', created_at => '2025-10-21 09:00:00+00'
);
select factory.modification(
    id => 3, appointment_id => 23, kind => 'cancel', created_at => '2025-10-21 08:00:00+00'
);
select factory.modification(
    id => 4, appointment_id => 23, kind => 'reschedule', created_at => '2025-10-21 09:00:00+00'
);
select factory.modification(
    id => 5, appointment_id => 24, kind => 'cancel', created_at => '2025-10-21 09:00:00+00'
);
select factory.modification(
    id => 6, appointment_id => 27, kind => 'cancel', created_at => '2025-10-21 09:00:00+00'
);
select factory.behind_the_back(false);

select results_eq(
    'select entity_id, description from trueup.appointment_cancel_contradicts order by entity_id',
    $$
    values
    (21::bigint, 'cancelled, but cancelled_at is empty'),
    (22, 'cancelled, but cancelled_at is empty'),
    (23, 'cancelled, but cancelled_at is empty'),
    (24, 'has cancelled_at, but is not cancelled'),
    (25, 'has cancelled_at, but is not cancelled'),
    (27, 'cancelled, but cancelled_at is empty')
    $$,
    'the check lists both directions and no deleted row'
);

-- a legacy row that is updated: completed by evidence, never by the time of the update
update public.appointments set notes = 'ill' where id in (22, 27);
select is(
    pg_temp.cancelled_at(27), '2025-10-21 09:00:00+00', 'an update completes a legacy row by its modification'
);
select is(pg_temp.cancelled_at(22), null, 'and not without one');

-- repair
select is(
    (trueup.repair_appointment_cancel_contradicts(21)).outcome, 'corrected', 'the modification is evidence'
);
select is(pg_temp.cancelled_at(21), '2025-10-21 09:00:00+00', 'the last one');
select is(
    (trueup.repair_appointment_cancel_contradicts(22)).outcome, 'review', 'without one a person decides'
);
select is(
    (trueup.repair_appointment_cancel_contradicts(23)).outcome, 'review',
    'also when it was taken up again in between'
);
select is(
    (trueup.repair_appointment_cancel_contradicts(24)).outcome, 'review',
    'also when only the time says cancelled'
);
select is(
    (trueup.repair_appointment_cancel_contradicts(25)).outcome, 'corrected', 'another spelling is no question'
);
select is(
    (select a.status from public.appointments as a where a.id = 24), 'confirmed',
    'under review nothing is changed'
);
select set_eq(
    'select entity_id from trueup.appointment_cancel_contradicts',
    array[22, 23, 24]::bigint[],
    'what is under review is still reported'
);

-- an ordinary write calls no function
create or replace function trueup.appointments_fill_status() returns trigger language plpgsql as $$
begin
    raise exception 'called';
end;
$$;
select lives_ok(
    $$
    update public.appointments set starts_at = '2025-10-23 12:00:00+00', ends_at = '2025-10-23 12:45:00+00'
    where id = 15;
    update public.appointments set status = 'completed' where id = 15;
    update public.appointments set notes = 'ill' where id = 12;
    select factory.appointment(id => 31);
    select factory.appointment(id => 32, status => 'cancelled', cancelled_at => '2025-10-21 09:00:00+00');
    $$,
    'the fill sleeps unless it has something to do'
);
select throws_ok(
    $$update public.appointments set status = 'cancelled' where id = 15$$, 'P0001', 'called',
    'and is awake otherwise'
);

select * from finish();
rollback;
