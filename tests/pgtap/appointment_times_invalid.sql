-- appointment_times_invalid: the constraint, then the check

begin;
select plan(10);

select factory.company(1);
select factory.call(id => 1);
set constraints all immediate;

-- constraint
select throws_ok(
    $$select factory.appointment(id => 10, ends_at => '2025-10-22 12:00:00+00')$$,
    '23514', null, 'an appointment takes time'
);
select throws_ok(
    $$select factory.appointment(id => 10, ends_at => '2025-10-22 11:00:00+00')$$,
    '23514', null, 'and does not end before it starts'
);
select lives_ok(
    $$select factory.appointment(id => 11, ends_at => '2025-10-22 12:00:01+00')$$, 'near miss: a second'
);
select lives_ok(
    $$select factory.appointment(
        id => 12, source => 'retell', call_id => 1, starts_at => '2025-10-20 09:01:00+00'
    )$$,
    'near miss: the agent books for right now'
);
select lives_ok(
    $$select factory.appointment(id => 13, starts_at => '2025-10-19 09:00:00+00')$$,
    'near miss: a person enters what has taken place'
);
select lives_ok(
    $$select factory.appointment(id => 14, starts_at => '2025-10-19 09:00:00+00', source => 'backfill')$$,
    'near miss: so does the backfill'
);
select lives_ok(
    $$select factory.appointment(id => 15, starts_at => '2026-10-20 09:01:00+00')$$,
    'near miss: twelve months ahead'
);

-- check: what the constraint does not refuse, and what legacy rows hold
set constraints all immediate;
select factory.legacy('appointments_times_ordered');
select factory.appointment(id => 21, ends_at => '2025-10-22 12:00:00+00');
select factory.appointment(id => 22, ends_at => '2025-10-22 11:00:00+00');
select factory.appointment(id => 23, source => 'retell', call_id => 1, starts_at => '2025-10-20 09:00:59+00');
select factory.appointment(id => 24, starts_at => '2026-10-20 09:01:01+00');
select factory.appointment(
    id => 25, ends_at => '2025-10-22 11:00:00+00', deleted_at => '2025-10-21 09:00:00+00'
);
select factory.appointment(
    id => 26, ends_at => '2025-10-22 11:00:00+00', status => 'cancelled', cancelled_at => '2025-10-21 09:00:00+00'
);

select results_eq(
    'select entity_id, description from trueup.appointment_times_invalid order by entity_id',
    $$
    values
    (21::bigint, 'ends before or when it starts'),
    (22, 'ends before or when it starts'),
    (23, 'starts before the phone agent made it'),
    (24, 'starts further ahead of its creation than appointments are made'),
    (26, 'ends before or when it starts')
    $$,
    'the check lists each and says what is wrong; deleted ones are nobody''s concern'
);

update trueup.settings set value = '13 months' where name = 'booking_horizon';
select set_hasnt(
    'select entity_id from trueup.appointment_times_invalid', 'values (24::bigint)',
    'the horizon is a setting'
);

update public.appointments set ends_at = starts_at + interval '45 minutes' where id in (21, 22, 26);
update public.appointments set starts_at = '2025-10-22 12:00:00+00', ends_at = '2025-10-22 12:45:00+00'
where id = 23;
select is_empty('select * from trueup.appointment_times_invalid', 'clean once a person has decided');

select * from finish();
rollback;
