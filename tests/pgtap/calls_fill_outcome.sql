-- calls_fill_outcome: an outcome that nobody knows yet follows from the flag

begin;
select plan(12);

select factory.company(1);
select factory.call(id => 1);
select factory.call(id => 2);
select factory.call(id => 3, session_outcome => 'appointment_rescheduled');
select factory.call(id => 4, session_outcome => 'appointment_cancelled');
select factory.call(id => 5, session_outcome => 'information_only');
select factory.call(id => 6, appointment_made => true);

create function pg_temp.outcome(bigint) returns text language sql as $$
select c.session_outcome from public.calls as c where c.id = $1;
$$;

select is(pg_temp.outcome(6), 'appointment_booked', 'on insert');
update public.calls set appointment_made = true where id between 2 and 5;
select is(pg_temp.outcome(2), 'appointment_booked', 'on update');
select is(pg_temp.outcome(3), 'appointment_rescheduled', 'rescheduled is never overwritten');
select is(pg_temp.outcome(4), 'appointment_cancelled', 'cancelled is never overwritten');
select is(pg_temp.outcome(5), 'information_only', 'nor is any other outcome');
select is(pg_temp.outcome(1), null, 'a call that is not flagged has none');
update public.calls set session_outcome = null where id = 2;
select is(pg_temp.outcome(2), 'appointment_booked', 'an outcome that is taken away comes back');

select factory.appointment(id => 11, call_id => 1);
select is(pg_temp.outcome(1), 'appointment_booked', 'when the sync flags the call');

-- an upsert finds in EXCLUDED what the fill puts into the row
create function pg_temp.upsert(p_id bigint) returns text language sql as $$
insert into public.calls as c (company_id, retell_call_id, appointment_made)
select o.company_id, o.retell_call_id, true from public.calls as o where o.id = p_id
on conflict (company_id, retell_call_id)
do update set session_outcome = coalesce(excluded.session_outcome, c.session_outcome), appointment_made = true
returning c.session_outcome;
$$;
select is(pg_temp.upsert(3), 'appointment_rescheduled', 'a stored outcome is not replaced by a guess');
select factory.call(id => 7);
select is(pg_temp.upsert(7), 'appointment_booked', 'near miss: one that nobody knows yet follows from the flag');

-- an unproven legacy flag does not spread
set constraints all immediate;
select factory.behind_the_back(true);
update public.calls set session_outcome = null where id = 6;
select factory.behind_the_back(false);
update public.calls set status = 'analyzed' where id = 6;
select is(pg_temp.outcome(6), null, 'an update of something else supplies no outcome');

select factory.undoing(true);
update public.calls set appointment_made = true where id = 6;
select is(pg_temp.outcome(6), null, 'an undo is not completed');

select * from finish();
rollback;
