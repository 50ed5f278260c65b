-- appointment_without_call: the guard, then the check, then the repair

begin;
select plan(28);

select factory.company(1);
select factory.company(2);
select factory.call(id => 1);
select factory.call(id => 2);
select factory.call(id => 3, booking_id => 'uid-3');
select factory.call(
    id => 4,
    booking_details => '{"calcom_booking": {"id": 9000004, "uid": "uid-4", "start": "2025-10-22T12:00:00.000Z"}}'
);
select factory.call(id => 5, deleted_at => '2025-10-21 09:00:00+00');
select factory.call(id => 6, company_id => 2, booking_id => 'uid-other');
set constraints all immediate;
update trueup.guards set mode = 'enforce' where name = 'appointment_without_call';

-- guard
select throws_ok(
    $$select factory.appointment(id => 10, source => 'retell')$$,
    '23514', 'appointment 10 violates guard "appointment_without_call"', 'the agent books for a call'
);
select lives_ok(
    $$select factory.appointment(id => 10, source => 'retell', call_id => 1)$$, 'near miss: with a call'
);
select throws_ok(
    'update public.appointments set call_id = null where id = 10',
    '23514', null, 'the call cannot be taken away'
);
select lives_ok(
    $$select factory.appointment(id => 11)$$, 'near miss: a person needs no call'
);
select throws_ok(
    $$update public.appointments set source = 'retell' where id = 11$$,
    '23514', null, 'a source that becomes retell'
);
select lives_ok(
    $$select factory.appointment(id => 12, source => 'retell', deleted_at => '2025-10-21 09:00:00+00')$$,
    'near miss: deleted'
);
select throws_ok(
    'update public.appointments set deleted_at = null where id = 12',
    '23514', null, 'and brought back'
);
select lives_ok(
    $$select factory.appointment(id => 13, source => 'backfill')$$, 'near miss: a backfilled booking'
);

set constraints all deferred;
select lives_ok(
    $$
    select factory.appointment(id => 14, source => 'retell');
    update public.appointments set call_id = 2 where id = 14;
    set constraints all immediate;
    $$,
    'only what holds at commit counts'
);

update trueup.guards set mode = 'observe' where name = 'appointment_without_call';
select lives_ok(
    $$select factory.appointment(id => 15, source => 'retell')$$, 'observe lets the write pass'
);
select results_eq(
    $$
    select al.entity_id, al.severity
    from trueup.data_consistency_alerts as al
    where al.alert_type = 'appointment_without_call'
    $$,
    $$values ('15', 'warning')$$,
    'and files the alert with it'
);
delete from public.appointments where id = 15;

-- check: planted behind the guard's back
select factory.behind_the_back(true);
select factory.appointment(
    id => 21, source => 'retell', idempotency_key => gen_random_uuid(), metadata => '{"call_id": "2"}'
);
select factory.appointment(
    id => 22, source => 'retell', idempotency_key => gen_random_uuid(), metadata => '{"call_id": "call_000000000000000000000000001"}'
);
select factory.appointment(
    id => 23, source => 'retell', idempotency_key => gen_random_uuid(), calcom_booking_uid => 'uid-3'
);
select factory.appointment(
    id => 24, source => 'retell', idempotency_key => gen_random_uuid(), calcom_booking_uid => 'uid-4'
);
select factory.appointment(
    id => 25, source => 'retell', idempotency_key => gen_random_uuid(),
    metadata => '{"call_id": "call_000000000000000000000000005"}'
);
select factory.appointment(
    id => 26, source => 'retell', idempotency_key => gen_random_uuid(),
    metadata => '{"call_id": "call_000000000000000000000000006"}'
);
select factory.appointment(
    id => 27, source => 'retell', idempotency_key => gen_random_uuid(), calcom_booking_uid => 'uid-other',
    metadata => '{"call_id": "6"}'
);
select factory.appointment(
    id => 28, source => 'retell', idempotency_key => gen_random_uuid(),
    metadata => '{"call_id": "99999999999999999999"}'
);
select factory.appointment(
    id => 29, company_id => 1, source => 'retell', idempotency_key => gen_random_uuid(), calcom_booking_uid => 'uid-3x',
    metadata => '{"call_id": "1"}'
);
update public.calls set booking_id = 'uid-3x' where id = 2;

-- what agents put there instead of an id
select factory.call(id => 7, retell_call_id => '{{call_id}}');
select factory.appointment(
    id => 36, source => 'retell', idempotency_key => gen_random_uuid(), metadata => '{"call_id": "{{call_id}}"}'
);
select factory.appointment(
    id => 37, source => 'retell', idempotency_key => gen_random_uuid(), metadata => '{"call_id": "1"}',
    starts_at => '2026-07-22 12:00:00+00', created_at => '2026-07-20 09:01:00+00'
);
select factory.appointment(
    id => 38, source => 'retell', idempotency_key => gen_random_uuid(), metadata => '{"call_id": 1}',
    created_at => '2025-10-20 08:59:00+00'
);

-- decision D2: calls 31 to 33 only changed what another call had made, call 34 has another customer
select factory.customer(id => 1);
select factory.customer(id => 2);
select factory.call(id => 31, booking_id => 'uid-31', session_outcome => 'information_only');
select factory.call(
    id => 32, session_outcome => 'appointment_rescheduled', started_at => '2025-10-21 09:00:00+00',
    ended_at => '2025-10-21 09:01:01+00'
);
select factory.call(
    id => 33, booking_id => 'uid-33', session_outcome => 'appointment_cancelled', started_at => '2025-10-21 09:00:00+00',
    ended_at => '2025-10-21 09:01:01+00'
);
select factory.call(id => 34, booking_id => 'uid-34', customer_id => 1);
select factory.call(id => 35, booking_id => 'uid-35', customer_id => 1, session_outcome => 'appointment_rescheduled');
select factory.appointment(
    id => 31, source => 'retell', idempotency_key => gen_random_uuid(), calcom_booking_uid => 'uid-31'
);
select factory.modification(id => 31, appointment_id => 31, call_id => 31);
select factory.appointment(
    id => 32, source => 'retell', idempotency_key => gen_random_uuid(),
    metadata => '{"retell_call_id": "call_000000000000000000000000020"}'
);
select factory.appointment(
    id => 33, source => 'retell', idempotency_key => gen_random_uuid(), calcom_booking_uid => 'uid-33'
);
select factory.appointment(
    id => 34, source => 'retell', idempotency_key => gen_random_uuid(), calcom_booking_uid => 'uid-34', customer_id => 2
);
select factory.appointment(
    id => 35, source => 'retell', idempotency_key => gen_random_uuid(), calcom_booking_uid => 'uid-35', customer_id => 2,
    metadata => '{"booked_for": "her son"}'
);
select factory.behind_the_back(false);

select set_eq(
    'select entity_id from trueup.appointment_without_call',
    array[21, 22, 23, 24, 25, 26, 27, 28, 29, 31, 32, 33, 34, 35, 36, 37, 38]::bigint[],
    'the check lists the agent''s appointments without a call and no other'
);

-- repair
select is(
    array(
        select (trueup.repair_appointment_without_call(id)).outcome from generate_series(21, 24) as g (id) order by id
    ),
    array['corrected', 'corrected', 'corrected', 'corrected'],
    'our id, the provider''s id, the booking uid of a call and the proof of a booking are evidence'
);
select results_eq(
    'select a.id, a.call_id from public.appointments as a where a.id between 21 and 24 order by a.id',
    'values (21::bigint, 2::bigint), (22, 1), (23, 3), (24, 4)',
    'each is linked to the call its evidence names'
);
select is((trueup.repair_appointment_without_call(25)).outcome, 'review', 'a deleted call is none');
select is(
    (trueup.repair_appointment_without_call(26)).outcome, 'review',
    'nor is a call of another company, by the provider''s id'
);
select is((trueup.repair_appointment_without_call(27)).outcome, 'review', 'by our id, or by booking uid');
select is(
    (trueup.repair_appointment_without_call(28)).outcome, 'review',
    'a number too long for an id raises nothing'
);
select is(
    (trueup.repair_appointment_without_call(29)).reason,
    'the evidence names several calls',
    'evidence that disagrees is for a person'
);
select is(
    array(
        select (trueup.repair_appointment_without_call(id)).reason from generate_series(31, 33) as g (id) order by id
    ),
    array_fill('the call changed the appointment and did not make it'::text, array[3]),
    'a call that moved or cancelled it did not make it: a modification, or its outcome and its time, says so'
);
select is(
    (trueup.repair_appointment_without_call(31)).evidence, '{"call_ids": [31]}'::jsonb,
    'the person is told which call'
);
select is(
    (trueup.repair_appointment_without_call(34)).reason,
    'the appointment is for another customer than the call',
    'a call of another customer made something else'
);
select is(
    (trueup.repair_appointment_without_call(35)).outcome,
    'corrected',
    'near miss: booked for somebody else, by a call that moved another and that began before this was made'
);
select is(
    (trueup.repair_appointment_without_call(36)).reason,
    'no call of the company is named by metadata.call_id or bears the booking',
    'a placeholder names no call, though one is stored under it'
);
select is(
    array(
        select (trueup.repair_appointment_without_call(id)).outcome from generate_series(37, 38) as g (id) order by id
    ),
    array['review', 'review'],
    'nor does a small number, when the appointment was made long after the call, or before it'
);
select is(
    (select count(*) from public.appointments as a where a.id between 25 and 38 and a.id <> 35 and a.call_id is not null),
    0::bigint,
    'and those rows are left alone'
);
select set_eq(
    'select entity_id from trueup.appointment_without_call',
    array[25, 26, 27, 28, 29, 31, 32, 33, 34, 36, 37, 38]::bigint[],
    'what is under review is still reported'
);
select ok(
    (
        select t.tgdeferrable and t.tginitdeferred
        from pg_catalog.pg_trigger as t
        where t.tgrelid = 'public.appointments'::regclass and t.tgname = 'appointment_without_call'
    ),
    'the guard looks at commit'
);

select * from finish();
rollback;
