-- appointments_sync_calls: every event that gives a call an appointment or takes one away

begin;
select plan(32);

select factory.company(1);
select factory.call(id => g) from generate_series(1, 9) as g;
update trueup.guards set mode = 'enforce'
where name in ('call_made_without_appointment', 'call_outcome_without_appointment', 'call_backlink_broken');

-- what the call says: made, appointment, link status, has a time of linking, outcome
create function pg_temp.says(bigint) returns text language sql as $$
select concat_ws(
    ' ', c.appointment_made, coalesce(c.appointment_id::text, '-'), c.appointment_link_status,
    c.appointment_linked_at is not null, coalesce(c.session_outcome, '-')
)
from public.calls as c where c.id = $1;
$$;

-- insert
select factory.appointment(id => 11, call_id => 1, starts_at => '2025-10-24 12:00:00+00');
select is(pg_temp.says(1), 't 11 linked t appointment_booked', 'insert');
select is(
    (select c.appointment_linked_at from public.calls as c where c.id = 1), now(), 'linked at the time of the insert'
);
select is(pg_temp.says(2), 'f - unlinked f -', 'another call is untouched');
update public.calls set appointment_linked_at = '2025-10-20 09:01:00+00' where id = 1;
select factory.appointment(id => 12, call_id => 1, starts_at => '2025-10-22 12:00:00+00');
select factory.appointment(id => 13, call_id => 1, starts_at => '2025-10-23 12:00:00+00');
select is(pg_temp.says(1), 't 11 linked t appointment_booked', 'an earlier one does not take its place');
select factory.appointment(id => 14, deleted_at => '2025-10-21 09:00:00+00', call_id => 2);
select is(pg_temp.says(2), 'f - unlinked f -', 'nor does a deleted one count');

-- soft delete, un-delete, cancel
update public.appointments set deleted_at = '2025-10-21 09:00:00+00' where id = 11;
select is(pg_temp.says(1), 't 12 linked t appointment_booked', 'soft delete: the earliest live one is next');
select is(
    (select c.appointment_linked_at from public.calls as c where c.id = 1),
    '2025-10-20 09:01:00+00'::timestamptz,
    'which is no new link'
);
update public.appointments set status = 'cancelled', cancelled_at = '2025-10-21 09:00:00+00' where id = 12;
select is(pg_temp.says(1), 't 12 linked t appointment_booked', 'cancel: still made and still linked');
update public.appointments set deleted_at = '2025-10-21 09:00:00+00' where id = 12;
select is(pg_temp.says(1), 't 13 linked t appointment_booked', 'soft delete of a cancelled one');
update public.appointments set deleted_at = null where id = 12;
update public.appointments set deleted_at = '2025-10-21 09:00:00+00' where id = 13;
select is(pg_temp.says(1), 't 12 linked t appointment_booked', 'no live one is left: the earliest kept');
update public.appointments set deleted_at = '2025-10-21 09:00:00+00' where id = 12;
select is(pg_temp.says(1), 'f - unlinked f -', 'the last one goes: all of it goes, the outcome too');
update public.appointments set deleted_at = null where id = 12;
select is(pg_temp.says(1), 't 12 linked t appointment_booked', 'un-delete');
select is(
    (select c.appointment_linked_at from public.calls as c where c.id = 1), now(), 'is a new link'
);

-- re-assignment
update public.appointments set call_id = 2 where id = 12;
select is(pg_temp.says(1), 'f - unlinked f -', 're-assignment: the old call loses it');
select is(pg_temp.says(2), 't 12 linked t appointment_booked', 'the new one gets it');
update public.appointments set call_id = null where id = 12;
select is(pg_temp.says(2), 'f - unlinked f -', 'and loses it to nobody');
update public.appointments set call_id = 3, deleted_at = null where id in (11, 12);
select is(pg_temp.says(3), 't 11 linked t appointment_booked', 'given and restored in one statement: the live one');
update public.appointments set call_id = 4, deleted_at = '2025-10-21 09:00:00+00' where id = 11;
select is(pg_temp.says(3), 't 12 linked t appointment_booked', 'taken away and deleted in one statement');
select is(pg_temp.says(4), 'f - unlinked f -', 'a deleted one is given to nobody');

-- hard delete
delete from public.appointments where id = 12;
select is(pg_temp.says(3), 'f - unlinked f -', 'hard delete');

-- many rows, upsert
insert into public.appointments (company_id, call_id, starts_at, ends_at)
select 1, g, '2025-10-22 12:00:00+00', '2025-10-22 12:45:00+00' from generate_series(5, 7) as g;
select is(
    (select count(*) from public.calls as c where c.id in (5, 6, 7) and c.appointment_made),
    3::bigint, 'many rows in one statement'
);
insert into public.appointments (id, company_id, call_id, starts_at, ends_at)
overriding system value
values
(11, 1, 3, '2025-10-22 12:00:00+00', '2025-10-22 12:45:00+00'),
(15, 1, 4, '2025-10-22 12:00:00+00', '2025-10-22 12:45:00+00')
on conflict (id) do update set call_id = excluded.call_id, deleted_at = null;
select is(pg_temp.says(3), 't 11 linked t appointment_booked', 'upsert: the row that was there');
select is(pg_temp.says(4), 't 15 linked t appointment_booked', 'and the new one');
delete from public.appointments where call_id between 3 and 7;
select is(
    (select count(*) from public.calls as c where c.appointment_made), 0::bigint, 'many deleted in one statement'
);

-- what it must not touch
select factory.call(id => 21, session_outcome => 'appointment_rescheduled');
select factory.call(id => 22, appointment_link_status => 'pending_creation');
select factory.appointment(id => 31, call_id => 21);
select factory.appointment(id => 32, call_id => 22);
select is(pg_temp.says(21), 't 31 linked t appointment_rescheduled', 'another outcome stays');
select is(pg_temp.says(22), 't 32 linked t appointment_booked', 'a booking that was awaited has come');
delete from public.appointments where id in (31, 32);
select is(pg_temp.says(21), 'f - unlinked f appointment_rescheduled', 'and stays when the appointment goes');

set constraints all immediate;
select pass('every guard and foreign key agrees, enforced');
select is_empty('select * from trueup.data_consistency_alerts', 'no alert was filed');

-- an update that moves nothing writes nothing
select factory.appointment(id => 41, call_id => 8);
create temporary table before as
select c.ctid as place from public.calls as c where c.id = 8;
update public.appointments set notes = 'window seat', starts_at = '2025-10-22 12:15:00+00' where id = 41;
update public.appointments set call_id = 8, deleted_at = null where id = 41;
select factory.appointment(id => 42, call_id => 8);
select is(
    (select c.ctid from public.calls as c where c.id = 8),
    (select b.place from before as b),
    'no row of calls is written when nothing derived changes'
);

-- a reference between companies counts, and is never copied
select factory.legacy('appointments_company_id_call_id_fkey');
select factory.company(2);
select factory.call(id => 51);
select factory.appointment(id => 61, company_id => 2, call_id => 51);
select is(pg_temp.says(51), 't - linked t appointment_booked', 'a row of another company is not named');

-- an undo is left alone
select factory.undoing(true);
update public.appointments set deleted_at = '2025-10-21 09:00:00+00' where id = 41;
select is(pg_temp.says(8), 't 41 linked t appointment_booked', 'an undo is not completed');

select * from finish();
rollback;
