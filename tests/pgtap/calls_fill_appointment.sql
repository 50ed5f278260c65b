-- calls_fill_appointment: the application writes the call itself

begin;
select plan(14);

select factory.company(1);
select factory.call(id => 1);
select factory.call(id => 2);
select factory.call(id => 3);
select factory.appointment(id => 11, call_id => 1, starts_at => '2025-10-24 12:00:00+00');
select factory.appointment(id => 12, call_id => 1, starts_at => '2025-10-22 12:00:00+00');
select factory.appointment(id => 13, call_id => 3);
update public.calls set appointment_linked_at = '2025-10-20 09:01:00+00' where id = 1;

create function pg_temp.says(bigint) returns text language sql as $$
select concat_ws(
    ' ', c.appointment_made, coalesce(c.appointment_id::text, '-'), c.appointment_link_status,
    coalesce(c.appointment_linked_at at time zone 'UTC', 'epoch')
)
from public.calls as c where c.id = $1;
$$;

update public.calls set appointment_made = false where id = 1;
select is(pg_temp.says(1), 't 11 linked 2025-10-20 09:01:00', 'not made is completed');
update public.calls set appointment_link_status = 'unlinked' where id = 1;
select is(pg_temp.says(1), 't 11 linked 2025-10-20 09:01:00', 'so is another link status');
update public.calls set appointment_linked_at = null where id = 1;
select is(pg_temp.says(1), 't 11 linked 2025-10-20 09:01:00', 'so is the time, which is the old one');
update public.calls set appointment_id = null where id = 1;
select is(pg_temp.says(1), 't 11 linked 2025-10-20 09:01:00', 'so is the reference, to the one it was');
update public.calls set appointment_id = 12 where id = 1;
select is(pg_temp.says(1), 't 12 linked 2025-10-20 09:01:00', 'near miss: its other appointment may be named');
update public.calls set appointment_linked_at = '2025-10-20 09:02:00+00' where id = 1;
select is(pg_temp.says(1), 't 12 linked 2025-10-20 09:02:00', 'and another time given');
update public.calls
set
    appointment_made = false, appointment_id = null,
    appointment_link_status = 'pending_creation', appointment_linked_at = null
where id = 1;
select is(pg_temp.says(1), 't 12 linked 2025-10-20 09:02:00', 'all of it at once');

-- what it leaves alone
update public.calls set appointment_id = 11, appointment_made = false where id = 3;
select is(
    (select c.appointment_id from public.calls as c where c.id = 3),
    11::bigint,
    'the appointment of another call is left to the guard'
);
select ok((select c.appointment_made from public.calls as c where c.id = 3), 'the rest is completed');
update public.calls set appointment_id = 13 where id = 3;

update public.calls set appointment_link_status = 'pending_creation' where id = 2;
select is(pg_temp.says(2), 'f - pending_creation 1970-01-01 00:00:00', 'a call without an appointment is left alone');
update public.appointments set deleted_at = '2025-10-21 09:00:00+00' where id in (11, 12);
select is(pg_temp.says(1), 'f - unlinked 1970-01-01 00:00:00', 'and does not hold what the sync takes down');

-- on insert: the call after its appointment, in one transaction
select factory.appointment(id => 21, call_id => 9);
select factory.call(id => 9);
select is(
    pg_temp.says(9),
    't 21 linked ' || (now() at time zone 'UTC'),
    'a call that is written after its appointment'
);
set constraints all immediate;
select is_empty('select * from trueup.call_appointment_not_flagged', 'nothing is reported');

select factory.undoing(true);
update public.calls set appointment_made = false where id = 9;
select ok(not (select c.appointment_made from public.calls as c where c.id = 9), 'an undo is not completed');

select * from finish();
rollback;
