-- appointment_value_unknown: the fill, the constraints, the check, then the repair

begin;
select plan(27);

select factory.company(1);
select factory.call(id => 1);
set constraints all immediate;

create function pg_temp.status(p_id bigint) returns text language sql as $$
select a.status from public.appointments as a where a.id = p_id;
$$;

-- fill
select factory.appointment(id => 10 + n, status => said)
from unnest(array['scheduled', 'booked', 'accepted', 'rescheduled', ' Accepted', E'BOOKED\n'])
    with ordinality as s (said, n);
select is(
    array(select distinct a.status from public.appointments as a where a.id between 11 and 16),
    array['confirmed'],
    'synonyms become the word of the vocabulary, case and space ignored'
);
select factory.appointment(id => 17, status => 'No_Show');
select is(pg_temp.status(17), 'no_show', 'so does another spelling of a word');
select factory.appointment(id => 18, status => 'pending');
select is(pg_temp.status(18), 'pending', 'near miss: a word stays');
update public.appointments set status = 'ACCEPTED' where id = 18;
select is(pg_temp.status(18), 'confirmed', 'on update as well');
insert into trueup.vocabularies (vocabulary, value, means) values
('appointment_status', 'canceled', 'cancelled');
update public.appointments set status = 'canceled' where id = 18;
select is(pg_temp.status(18), 'cancelled', 'a synonym of one''s own is a row of the vocabulary');

-- constraints
select throws_ok(
    $$update public.appointments set status = 'maybe' where id = 11$$,
    '23514', null, 'a status nobody knows is refused'
);
select throws_ok(
    $$update public.appointments set source = 'phone' where id = 11$$, '23514', null, 'a source is'
);
select throws_ok(
    $$update public.appointments set sync_origin = 'phone' where id = 11$$, '23514', null, 'a sync_origin is'
);
select throws_ok(
    $$update public.appointments set calcom_sync_status = 'done' where id = 11$$,
    '23514', null, 'a calcom_sync_status is'
);
select lives_ok(
    'update public.appointments set source = null, sync_origin = null, calcom_sync_status = null where id = 11',
    'near miss: not known yet'
);
select is_empty('select * from trueup.appointment_value_unknown', 'near misses are silent');

-- check
select factory.behind_the_back(true);
select throws_ok(
    $$select factory.appointment(id => 19, status => 'booked')$$,
    '23514', null, 'without the fill a synonym is refused'
);
select factory.legacy(
    'appointments_status_vocabulary', 'appointments_source_vocabulary', 'appointments_sync_origin_vocabulary',
    'appointments_calcom_sync_status_vocabulary', 'appointments_cancel_agrees', 'appointments_retell_has_key'
);
select factory.appointment(
    id => 21, status => 'Booked', source => 'Manual', calcom_sync_status => ' synced', calcom_booking_uid => 'uid-21'
);
select factory.appointment(id => 22, status => 'maybe', source => 'Calcom');
select factory.appointment(id => 23, calcom_sync_status => 'done');
select factory.appointment(id => 24, status => 'Cancelled');
select factory.appointment(id => 25, status => 'Cancelled');
select factory.appointment(id => 26, status => 'maybe', deleted_at => '2025-10-21 09:00:00+00');
select factory.appointment(id => 27);
select factory.appointment(id => 28, source => 'Retell', call_id => 1);
select factory.appointment(id => 29, status => 'scheduled');
update public.appointments set sync_origin = 'ADMIN' where id = 27;
select factory.modification(
    id => 2, appointment_id => 29, kind => 'cancel', created_at => '2025-10-21 09:00:00+00'
);
select factory.modification(
    id => 1, appointment_id => 24, kind => 'cancel', created_at => '2025-10-21 09:00:00+00'
);
select factory.behind_the_back(false);

select results_eq(
    $$select entity_id, evidence -> 'values' from trueup.appointment_value_unknown order by entity_id$$,
    $$
    values
    (21::bigint, '{"status": "Booked", "source": "Manual", "calcom_sync_status": " synced"}'::jsonb),
    (22, '{"status": "maybe", "source": "Calcom"}'),
    (23, '{"calcom_sync_status": "done"}'),
    (24, '{"status": "Cancelled"}'),
    (25, '{"status": "Cancelled"}'),
    (27, '{"sync_origin": "ADMIN"}'),
    (28, '{"source": "Retell"}'),
    (29, '{"status": "scheduled"}')
    $$,
    'one row for each appointment, every column and value in its evidence'
);

-- repair
select is((trueup.repair_appointment_value_unknown(21)).outcome, 'corrected', 'the vocabulary is evidence');
select results_eq(
    'select a.status, a.source, a.calcom_sync_status, a.sync_origin from public.appointments as a where a.id = 21',
    $$values ('confirmed', 'manual', 'synced', null::text)$$,
    'every column gets the word that is meant'
);
select is(
    (trueup.repair_appointment_value_unknown(22)).outcome, 'review',
    'one word that means nothing is for a person'
);
select is(
    (select a.source from public.appointments as a where a.id = 22), 'Calcom',
    'and then nothing of the row is changed'
);
select is((trueup.repair_appointment_value_unknown(23)).outcome, 'review', 'in any column');
select is(
    (trueup.repair_appointment_value_unknown(24)).outcome, 'corrected',
    'cancelled, with a modification that says when'
);
select is(
    (select a.cancelled_at from public.appointments as a where a.id = 24), '2025-10-21 09:00:00+00',
    'gets that time'
);
select is(
    (trueup.repair_appointment_value_unknown(25)).outcome, 'review', 'without one it would have no time'
);
select is((trueup.repair_appointment_value_unknown(27)).outcome, 'corrected', 'another spelling of a word');
select is((trueup.repair_appointment_value_unknown(28)).outcome, 'corrected', 'a source that becomes retell');
select isnt(
    (select a.idempotency_key from public.appointments as a where a.id = 28), null, 'gets its key with it'
);
select is(
    (trueup.repair_appointment_value_unknown(29)).reason, 'it means confirmed, and its last modification is a cancel',
    'what was cancelled last is not confirmed'
);
update public.appointment_modifications set kind = 'reschedule', new_starts_at = '2025-10-22 12:00:00+00' where id = 2;
select is(
    (trueup.repair_appointment_value_unknown(29)).outcome, 'corrected', 'near miss: moved after that'
);
select set_eq(
    'select entity_id from trueup.appointment_value_unknown',
    array[22, 23, 25]::bigint[],
    'what is under review is still reported'
);

select * from finish();
rollback;
