-- appointment_staff_overlap: the constraint, then the check

begin;
select plan(12);

select factory.company(1);
select factory.staff(1);
select factory.staff(2);
select factory.appointment(id => 10, staff_id => 1);
set constraints all immediate;

-- constraint
select throws_ok(
    $$select factory.appointment(id => 11, staff_id => 1, starts_at => '2025-10-22 12:44:59+00')$$,
    '23P01', null, 'nobody is in two appointments at once'
);
select lives_ok(
    $$select factory.appointment(id => 11, staff_id => 1, starts_at => '2025-10-22 12:45:00+00')$$,
    'near miss: one starts when another ends'
);
select lives_ok(
    $$select factory.appointment(id => 12, staff_id => 2)$$, 'near miss: somebody else'
);
select lives_ok(
    $$select factory.appointment(id => 13, starts_at => '2025-10-22 12:10:00+00')$$, 'near miss: nobody yet'
);
select lives_ok(
    $$select factory.appointment(
        id => 14, staff_id => 1, status => 'cancelled', cancelled_at => '2025-10-21 09:00:00+00'
    )$$,
    'near miss: cancelled'
);
select lives_ok(
    $$select factory.appointment(id => 15, staff_id => 1, deleted_at => '2025-10-21 09:00:00+00')$$,
    'near miss: deleted'
);
select throws_ok(
    $$update public.appointments set status = 'confirmed' where id = 14$$,
    '23P01', null, 'a cancelled one cannot be taken up again in a slot that is gone'
);
select is_empty('select * from trueup.appointment_staff_overlap', 'the check agrees with the constraint');

-- check
set constraints all immediate;
select factory.legacy('appointments_staff_id_excl', 'appointments_times_ordered');
-- inside another; around another; a week that covers all; on a day whose clocks change
select factory.appointment(
    id => 21, staff_id => 1, starts_at => '2025-10-22 12:10:00+00', ends_at => '2025-10-22 12:20:00+00'
);
select factory.appointment(
    id => 31, staff_id => 2, starts_at => '2025-10-20 00:00:00+00', ends_at => '2025-10-27 00:00:00+00'
);
select factory.appointment(id => 32, staff_id => 2, starts_at => '2025-10-27 00:00:00+00');
select factory.appointment(
    id => 41, staff_id => 1, starts_at => '2026-03-29 00:00:00+01', ends_at => '2026-03-29 23:59:00+02'
);
select factory.appointment(id => 42, staff_id => 1, starts_at => '2026-03-29 23:58:00+02');
-- ends before it starts: overlaps nothing, and raises nothing
select factory.appointment(
    id => 51, staff_id => 1, starts_at => '2025-10-22 12:15:00+00', ends_at => '2025-10-22 12:05:00+00'
);
select factory.appointment(
    id => 52, staff_id => 1, starts_at => '2025-10-22 12:15:00+00', ends_at => '2025-10-22 12:15:00+00'
);
-- no end in sight
select factory.staff(3);
select factory.appointment(id => 61, staff_id => 3, starts_at => '2025-10-22 12:00:00+00', ends_at => 'infinity');
select factory.appointment(id => 62, staff_id => 3, starts_at => '2026-10-22 12:00:00+00');
set local timezone = 'Europe/Berlin';

select results_eq(
    $$select entity_id, evidence -> 'overlapping_ids' from trueup.appointment_staff_overlap order by entity_id$$,
    $$
    values
    (10::bigint, '[21]'::jsonb),
    (12, '[31]'),
    (21, '[10]'),
    (31, '[12]'),
    (41, '[42]'),
    (42, '[41]'),
    (61, '[62]'),
    (62, '[61]')
    $$,
    'each appointment of an overlap is listed, and no other'
);
select results_eq(
    $$select entity_id from trueup.appointment_staff_overlap where entity_id = any(array[12, 13]::bigint[])$$,
    $$values (12::bigint)$$,
    'the same, asked for some of them'
);
-- the plain definition, which costs the square of a person's appointments
select set_eq(
    'select entity_id from trueup.appointment_staff_overlap',
    $$
    select a.id
    from trueup.live_appointments as a
    inner join trueup.live_appointments as b
        on a.staff_id = b.staff_id and a.id <> b.id and a.starts_at < b.ends_at and b.starts_at < a.ends_at
    where a.ends_at > a.starts_at and b.ends_at > b.starts_at
    $$,
    'the two probes find what the plain definition finds'
);

update public.appointments set status = 'cancelled' where id in (21, 31, 41, 61);
select is_empty('select * from trueup.appointment_staff_overlap', 'clean once a person has decided');

select * from finish();
rollback;
