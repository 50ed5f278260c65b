-- call_appointment_not_flagged: sync and fill, then the check, then the repair

begin;
select plan(13);

select factory.company(1);
select factory.call(id => 1);
select factory.call(id => 2);
select factory.call(id => 3);
select factory.call(id => 4, deleted_at => '2025-10-21 09:00:00+00');
select factory.call(id => 5);
select factory.call(id => 6);
select factory.appointment(id => 11, call_id => 1);
select factory.appointment(id => 12, call_id => 2);
select factory.appointment(id => 13, call_id => 3);
select factory.appointment(id => 14, call_id => 4);
select factory.appointment(id => 15, call_id => 5, deleted_at => '2025-10-21 09:00:00+00');
set constraints all immediate;

-- sync
select row_eq(
    $$
    select c.appointment_made, c.appointment_id, c.appointment_link_status, c.appointment_linked_at = now()
    from public.calls as c where c.id = 1
    $$,
    row(true, 11::bigint, 'linked'::text, true),
    'an appointment flags its call'
);
select is_empty('select entity_id from trueup.call_appointment_not_flagged', 'nothing is reported');
select ok(
    not (select c.appointment_made from public.calls as c where c.id = 5),
    'near miss: a deleted appointment flags nothing'
);

-- fill
update public.calls
set appointment_made = false, appointment_link_status = 'unlinked', appointment_linked_at = null
where id = 1;
select row_eq(
    $$
    select c.appointment_made, c.appointment_link_status, c.appointment_linked_at is not null
    from public.calls as c where c.id = 1
    $$,
    row(true, 'linked'::text, true),
    'nobody can unset what the appointment proves'
);

-- check
select factory.behind_the_back(true);
update public.calls set appointment_made = false where id in (1, 4);
update public.calls set appointment_link_status = 'pending_creation' where id = 2;
update public.calls set appointment_linked_at = null where id = 3;
update public.calls set appointment_linked_at = '2025-10-20 09:01:00+00' where id = 1;
select factory.behind_the_back(false);

select set_eq(
    'select entity_id from trueup.call_appointment_not_flagged',
    array[1, 2, 3]::bigint[],
    'the check lists each half of it, and no deleted call'
);
select is_empty(
    'select entity_id from trueup.call_made_without_appointment', 'near miss: the converse is another check'
);

-- repair
select is((trueup.repair_call_appointment_not_flagged(1)).outcome, 'corrected', 'not flagged: corrected');
select is((trueup.repair_call_appointment_not_flagged(2)).outcome, 'corrected', 'not linked: corrected');
select is((trueup.repair_call_appointment_not_flagged(3)).outcome, 'corrected', 'no time: corrected');
select results_eq(
    $$
    select c.id, c.appointment_made, c.appointment_link_status, c.appointment_id, c.appointment_linked_at is null
    from public.calls as c where c.id in (1, 2, 3) order by c.id
    $$,
    $$
    values
    (1::bigint, true, 'linked', 11::bigint, false),
    (2::bigint, true, 'linked', 12::bigint, false),
    (3::bigint, true, 'linked', 13::bigint, false)
    $$,
    'all of it derives from the appointment'
);
select is(
    (select c.appointment_linked_at from public.calls as c where c.id = 1),
    '2025-10-20 09:01:00+00'::timestamptz,
    'a time of linking that was there is kept'
);
select is_empty('select entity_id from trueup.call_appointment_not_flagged', 'clean again');
select is(
    (trueup.repair_call_appointment_not_flagged(6)).outcome, 'review', 'without an appointment it flags nothing'
);

select * from finish();
rollback;
