-- appointment_key_missing: the fill, the constraint, the check, then the repair

begin;
select plan(22);

select factory.company(1);
select factory.company(2);
select factory.customer(1);
select factory.service(1);
select factory.staff(1);
select factory.call(id => 1);
select factory.call(id => 2);
select factory.call(id => 6, company_id => 2);
set constraints all immediate;

-- fill
select factory.appointment(
    id => 11, source => 'retell', call_id => 1, customer_id => 1, service_id => 1, staff_id => 1
);
select is(
    (select a.idempotency_key from public.appointments as a where a.id = 11),
    trueup.idempotency_key(1, 1, 1, 1, 1, '2025-10-22 12:00:00+00'),
    'a booking of the agent gets the key of its parts'
);
select factory.appointment(id => 12, source => 'retell', call_id => 1, customer_id => 1, service_id => 1);
select factory.appointment(id => 13, source => 'retell', call_id => 1, customer_id => 1, service_id => 1);
select is(
    (select a.idempotency_key from public.appointments as a where a.id = 13),
    trueup.idempotency_key(1, 1, null, 1, 1, '2025-10-22 12:00:00+00', 1),
    'a second live one of the same parts gets the next generation, and is not refused'
);
update public.appointments set status = 'cancelled' where id = 12;
select factory.appointment(id => 14, source => 'retell', call_id => 1, customer_id => 1, service_id => 1);
select is(
    (select a.idempotency_key from public.appointments as a where a.id = 14),
    (select a.idempotency_key from public.appointments as a where a.id = 12),
    'a slot that was cancelled is booked under its first key again'
);
select throws_ok(
    $$update public.appointments set status = 'confirmed' where id = 12$$,
    '23505', null, 'and the cancelled one cannot come back to life beside it'
);
insert into public.appointments (company_id, call_id, starts_at, ends_at, source)
select 1, 2, '2025-10-23 12:00:00+00', '2025-10-23 12:45:00+00', 'retell' from generate_series(1, 3);
select is(
    (select count(distinct a.idempotency_key) from public.appointments as a where a.call_id = 2),
    3::bigint,
    'rows of one statement see each other''s keys'
);
select factory.appointment(
    id => 15, source => 'retell', call_id => 1, idempotency_key => '11111111-1111-5111-8111-111111111111'
);
select is(
    (select a.idempotency_key from public.appointments as a where a.id = 15),
    '11111111-1111-5111-8111-111111111111',
    'a key that was given is kept'
);
select factory.appointment(id => 16);
select is(
    (select a.idempotency_key from public.appointments as a where a.id = 16), null,
    'near miss: a person needs no key'
);
update public.appointments set source = 'retell', call_id = 1 where id = 16;
select isnt(
    (select a.idempotency_key from public.appointments as a where a.id = 16), null,
    'until the source becomes retell'
);

-- an upsert finds in EXCLUDED what the fill puts into the row
create function pg_temp.upsert(p_status text) returns uuid language sql as $$
insert into public.appointments (company_id, call_id, starts_at, ends_at, source, status, calcom_booking_uid)
values (1, 1, '2025-10-25 12:00:00+00', '2025-10-25 12:45:00+00', 'retell', p_status, 'uid-1')
on conflict (company_id, calcom_booking_uid) where deleted_at is null and calcom_booking_uid is not null
do update set
    status = excluded.status,
    idempotency_key = coalesce(excluded.idempotency_key, appointments.idempotency_key)
returning idempotency_key;
$$;
select factory.appointment(
    id => 17, source => 'retell', call_id => 1, calcom_booking_uid => 'uid-1',
    idempotency_key => '22222222-2222-5222-8222-222222222222'
);
select is(
    pg_temp.upsert('completed'), '22222222-2222-5222-8222-222222222222',
    'a stored key is not replaced by a new one'
);
select is(
    (select a.status from public.appointments as a where a.id = 17), 'completed', 'and the rest is written'
);
update public.appointments set deleted_at = now() where id = 17;
select isnt(
    pg_temp.upsert('confirmed'), '22222222-2222-5222-8222-222222222222',
    'near miss: a deleted booking is not the one'
);
savepoint before_legacy;
set constraints all immediate;
select factory.legacy('appointments_booking_uid_key');
select lives_ok(
    $$select factory.appointment(
        id => 18, source => 'retell', call_id => 1, calcom_booking_uid => 'uid-1',
        starts_at => '2025-10-25 12:00:00+00'
    )$$,
    'near miss: where two may bear one booking, the second gets a key of its own and is not refused'
);
rollback to savepoint before_legacy;
set constraints all immediate;
select factory.legacy('appointments_booking_uid_key');
create unique index on public.appointments (calcom_booking_uid, starts_at) where deleted_at is null;
create unique index on public.appointments (calcom_booking_uid, lower(notes)) where deleted_at is null;
select lives_ok(
    $$select factory.appointment(
        id => 20, source => 'retell', call_id => 1, calcom_booking_uid => 'uid-1',
        starts_at => '2025-10-26 12:00:00+00'
    )$$,
    'so it is where an index says no more than that two differ in something else'
);
rollback to savepoint before_legacy;
set constraints all immediate;
select factory.legacy('appointments_booking_uid_key');
create unique index on public.appointments (calcom_booking_uid) include (starts_at) where deleted_at is null;
select factory.appointment(
    id => 28, source => 'retell', call_id => 1, calcom_booking_uid => 'uid-28',
    idempotency_key => '33333333-3333-5333-8333-333333333333'
);
insert into public.appointments as a (company_id, call_id, starts_at, ends_at, source, calcom_booking_uid)
values (1, 1, '2025-10-27 12:00:00+00', '2025-10-27 12:45:00+00', 'retell', 'uid-28')
on conflict (calcom_booking_uid) where deleted_at is null
do update set idempotency_key = excluded.idempotency_key;
select is(
    (select a.idempotency_key from public.appointments as a where a.id = 28),
    '33333333-3333-5333-8333-333333333333',
    'an index of the application that refuses a second one is as good as ours'
);
rollback to savepoint before_legacy;

-- an undo restores the row as it was, and nothing completes it again
savepoint before_undo;
set constraints all immediate;
select factory.legacy('appointments_retell_has_key');
select factory.undoing(true);
update public.appointments set idempotency_key = null where id = 16;
select is(
    (select a.idempotency_key from public.appointments as a where a.id = 16), null, 'an undo is not completed'
);
rollback to savepoint before_undo;

-- constraint, were the fill not there
set constraints all immediate;
select factory.behind_the_back(true);
select throws_ok(
    $$select factory.appointment(id => 19, source => 'retell', call_id => 1)$$,
    '23514', null, 'without the fill the constraint refuses'
);

-- check
select factory.legacy('appointments_retell_has_key');
select factory.appointment(id => 21, source => 'retell', call_id => 1, service_id => 1);
select factory.appointment(id => 22, source => 'retell', call_id => 1, service_id => 1);
select factory.appointment(
    id => 23, source => 'retell', call_id => 1, deleted_at => '2025-10-21 09:00:00+00'
);
select factory.appointment(id => 24, source => 'backfill', call_id => 1);
select factory.appointment(id => 25, company_id => 2, source => 'retell', call_id => 6);
select factory.behind_the_back(false);

select set_eq(
    'select entity_id from trueup.appointment_key_missing',
    array[21, 22, 25]::bigint[],
    'the check lists the agent''s bookings without a key and no other'
);
select lives_ok(
    $$update public.appointments set notes = 'bring a towel' where id = 25$$,
    'a legacy row can still be updated, because the fill completes it'
);

-- repair
select is(
    array(select (trueup.repair_appointment_key_missing(id)).outcome from generate_series(21, 22) as g (id)),
    array['corrected', 'corrected'],
    'the key is computed'
);
select results_eq(
    'select a.idempotency_key from public.appointments as a where a.id in (21, 22, 25) order by a.id',
    $$
    values
    (trueup.idempotency_key(1, 1, null, null, 1, '2025-10-22 12:00:00+00')),
    (trueup.idempotency_key(1, 1, null, null, 1, '2025-10-22 12:00:00+00', 1)),
    (trueup.idempotency_key(2, null, null, null, 6, '2025-10-22 12:00:00+00'))
    $$,
    'as the fill computes it'
);
select is_empty('select * from trueup.appointment_key_missing', 'clean after the repair');

-- an ordinary write calls no function
create or replace function trueup.appointments_fill_key() returns trigger language plpgsql as $$
begin
    raise exception 'called';
end;
$$;
select lives_ok(
    $$
    update public.appointments set notes = 'bring a towel' where id in (11, 24);
    select factory.appointment(id => 31);
    $$,
    'the fill sleeps when there is a key, and for other sources'
);

select * from finish();
rollback;
