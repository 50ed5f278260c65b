-- call_backlink_broken: the guard, then the check, then the repair

begin;
select plan(21);

select factory.company(1);
select factory.call(id => 1);
select factory.call(id => 2);
select factory.call(id => 3);
select factory.call(id => 4);
select factory.call(id => 5);
select factory.call(id => 6);
select factory.appointment(id => 11, call_id => 1);
select factory.appointment(id => 12, call_id => 2);
select factory.appointment(id => 13);
select factory.appointment(id => 14, call_id => 4);
select factory.appointment(id => 15, call_id => 4, starts_at => '2025-10-23 12:00:00+00');
select factory.appointment(id => 16, call_id => 6);
update trueup.guards set mode = 'enforce' where name = 'call_backlink_broken';

-- guard
set constraints all immediate;

select throws_ok(
    'update public.calls set appointment_id = 12 where id = 1',
    '23514', 'call 1 violates guard "call_backlink_broken"', 'a call may not name the appointment of another'
);
select throws_ok(
    'update public.calls set appointment_id = 13 where id = 3',
    '23514', 'call 3 violates guard "call_backlink_broken"', 'nor one that belongs to no call'
);
select throws_ok(
    'select factory.call(id => 8, appointment_id => 12)',
    '23514', 'call 8 violates guard "call_backlink_broken"', 'nor be inserted so'
);
select lives_ok(
    'update public.calls set appointment_id = 15 where id = 4', 'near miss: either of two appointments of its own'
);
select lives_ok(
    $$update public.appointments set status = 'cancelled', cancelled_at = '2025-10-21 09:00:00+00' where id = 15$$,
    'near miss: a cancelled appointment is still linked'
);
select is((select c.appointment_id from public.calls as c where c.id = 4), 15::bigint, 'and still named');
select lives_ok(
    $$
    update public.calls set appointment_id = 12, deleted_at = '2025-10-21 09:00:00+00' where id = 5
    $$,
    'near miss: a deleted call'
);
select throws_ok(
    'update public.calls set deleted_at = null where id = 5',
    '23514', 'call 5 violates guard "call_backlink_broken"', 'which may not be restored so'
);

-- the guard's half on appointments, with the sync out of its way
alter table public.appointments disable trigger appointments_sync_calls_update;
alter table public.appointments disable trigger appointments_sync_calls_delete;
update trueup.guards set mode = 'off'
where name in ('call_made_without_appointment', 'call_outcome_without_appointment');
select throws_ok(
    $$update public.appointments set deleted_at = '2025-10-21 09:00:00+00' where id = 11$$,
    '23514', 'call 1 violates guard "call_backlink_broken"', 'a soft delete leaves no reference behind'
);
select throws_ok(
    'update public.appointments set call_id = 3 where id = 11',
    '23514', 'call 1 violates guard "call_backlink_broken"', 'nor does a re-assignment'
);
set constraints public.calls_company_id_appointment_id_fkey deferred;
select throws_ok(
    'delete from public.appointments where id = 11',
    '23514', 'call 1 violates guard "call_backlink_broken"', 'nor does a hard delete'
);
select lives_ok(
    $$update public.appointments set deleted_at = '2025-10-21 09:00:00+00' where id = 14$$,
    'near miss: the one that the call does not name'
);
update public.appointments set deleted_at = null where id = 14;
alter table public.appointments enable trigger appointments_sync_calls_update;
alter table public.appointments enable trigger appointments_sync_calls_delete;

-- check: of another call, of none, deleted, not there
select factory.behind_the_back(true);
select factory.legacy('calls_company_id_appointment_id_fkey');
update public.calls set appointment_id = 12 where id = 1;
update public.calls set appointment_id = 13 where id in (3, 4);
update public.calls set appointment_id = 99 where id = 2;
update public.appointments set deleted_at = '2025-10-21 09:00:00+00' where id = 16;
select factory.behind_the_back(false);

select set_eq(
    'select entity_id from trueup.call_backlink_broken',
    array[1, 2, 3, 4, 6]::bigint[],
    'the check lists the violating calls and no other'
);
select is(
    (select v.evidence ->> 'appointment_exists' from trueup.call_backlink_broken as v where v.entity_id = 2),
    'false',
    'and says when there is nothing at the other end'
);

-- repair
select is((trueup.repair_call_backlink_broken(1)).outcome, 'corrected', 'one appointment of its own: corrected');
select is((trueup.repair_call_backlink_broken(2)).outcome, 'corrected', 'also when the one named is not there');
select is((trueup.repair_call_backlink_broken(3)).outcome, 'review', 'none of its own: a person decides');
select is((trueup.repair_call_backlink_broken(4)).outcome, 'review', 'several: a person decides');
select is((trueup.repair_call_backlink_broken(6)).outcome, 'review', 'its own deleted: a person decides');
select results_eq(
    'select c.id, c.appointment_id from public.calls as c where c.id in (1, 2, 3, 4, 6) order by c.id',
    'values (1::bigint, 11::bigint), (2, 12), (3, 13), (4, 13), (6, 16)',
    'what was not proven is untouched'
);
select set_eq(
    'select entity_id from trueup.call_backlink_broken',
    array[3, 4, 6]::bigint[],
    'the calls under review are still reported'
);

select * from finish();
rollback;
