-- call_backlink_missing: sync and fill, then the check, then the repair

begin;
select plan(12);

select factory.company(1);
select factory.company(2);
select factory.call(id => 1);
select factory.call(id => 2);
select factory.call(id => 3);
select factory.call(id => 4);
select factory.call(id => 5, deleted_at => '2025-10-21 09:00:00+00');
select factory.call(id => 6);
select factory.appointment(id => 11, call_id => 1);
select factory.appointment(
    id => 12, call_id => 2, starts_at => '2025-10-22 08:00:00+00',
    status => 'cancelled', cancelled_at => '2025-10-21 09:00:00+00'
);
select factory.appointment(id => 13, call_id => 2, starts_at => '2025-10-24 08:00:00+00');
select factory.appointment(id => 14, call_id => 2, starts_at => '2025-10-23 08:00:00+00');
select factory.appointment(id => 15, call_id => 3, deleted_at => '2025-10-21 09:00:00+00');
select factory.appointment(id => 16, call_id => 5);
set constraints all immediate;

-- sync
select is(
    (select c.appointment_id from public.calls as c where c.id = 1), 11::bigint, 'the call points back'
);
select is_empty('select entity_id from trueup.call_backlink_missing', 'nothing is reported');

-- fill
update public.calls set appointment_id = null where id = 1;
select is(
    (select c.appointment_id from public.calls as c where c.id = 1), 11::bigint, 'and cannot be made to forget'
);

-- check
select factory.behind_the_back(true);
select factory.legacy('appointments_company_id_call_id_fkey');
update public.calls set appointment_id = null where id in (1, 2, 5);
select factory.appointment(id => 21, company_id => 2, call_id => 4);
select factory.behind_the_back(false);

select set_eq(
    'select entity_id from trueup.call_backlink_missing',
    array[1, 2]::bigint[],
    'the check lists the calls; not one whose appointment is deleted, nor of another company'
);
select is(
    (select v.evidence from trueup.call_backlink_missing as v where v.entity_id = 2),
    '{"appointment_ids": [12, 13, 14]}',
    'with the appointments'
);

-- repair
select is((trueup.repair_call_backlink_missing(1)).outcome, 'corrected', 'corrected');
select is((trueup.repair_call_backlink_missing(2)).outcome, 'corrected', 'corrected with several too');
select is(
    (select c.appointment_id from public.calls as c where c.id = 1), 11::bigint, 'points at its appointment'
);
select is(
    (select c.appointment_id from public.calls as c where c.id = 2),
    14::bigint,
    'of several, at the earliest that was not cancelled'
);
select is_empty('select entity_id from trueup.call_backlink_missing', 'clean again');
select is(
    (trueup.repair_call_backlink_missing(4)).outcome, 'review', 'an appointment of another company is never named'
);
select is(
    (trueup.repair_call_backlink_missing(6)).outcome, 'review', 'nor is any without evidence'
);

select * from finish();
rollback;
