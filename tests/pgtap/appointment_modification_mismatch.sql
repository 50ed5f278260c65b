-- appointment_modification_mismatch: the check; nothing prevents it and a person decides

begin;
select plan(5);

select factory.company(1);
create function pg_temp.moved(
    p_id bigint, p_appointment_id bigint, p_from text, p_to text, p_kind text default 'reschedule'
)
    returns void language sql as $$
select factory.modification(
    id => p_id, appointment_id => p_appointment_id, kind => p_kind,
    old_starts_at => ('2025-10-22 ' || p_from || '+00')::timestamptz,
    new_starts_at => ('2025-10-22 ' || p_to || '+00')::timestamptz
);
$$;

-- near misses: no history; a chain that ends here; a cancel at the end; times nobody recorded; deleted
select factory.appointment(id) from generate_series(11, 16) as g (id);
select pg_temp.moved(1, 12, '10:00', '11:00');
select pg_temp.moved(2, 12, '11:00', '12:00');
select pg_temp.moved(3, 13, '10:00', '12:00');
select pg_temp.moved(4, 13, null, null, 'cancel');
select pg_temp.moved(5, 14, '10:00', null);
select pg_temp.moved(6, 15, '10:00', '11:00');
select pg_temp.moved(7, 15, null, '12:00');
select pg_temp.moved(8, 16, '10:00', '11:00');
update public.appointments set deleted_at = '2025-10-21 09:00:00+00' where id = 16;
select is_empty('select * from trueup.appointment_modification_mismatch', 'near misses are silent');

-- the last one went elsewhere; a broken chain; both; in order of time and not of id
select factory.appointment(id) from generate_series(21, 24) as g (id);
select pg_temp.moved(21, 21, '12:00', '13:00');
select pg_temp.moved(22, 22, '09:00', '10:00');
select pg_temp.moved(23, 22, '11:00', '12:00');
select pg_temp.moved(24, 23, '09:00', '10:00');
select pg_temp.moved(25, 23, '11:00', '13:00');
select pg_temp.moved(26, 24, '11:00', '12:00');
select pg_temp.moved(27, 24, '10:00', '11:00');
update public.appointment_modifications set created_at = '2025-10-21 08:00:00+00' where id = 27;

select results_eq(
    $$
    select entity_id, description, (evidence -> 'broken_modification_ids')
    from trueup.appointment_modification_mismatch
    order by entity_id
    $$,
    $$
    values
    (21::bigint, 'the last reschedule went to another start than the appointment has', '[]'::jsonb),
    (22, 'a reschedule began elsewhere than the one before it ended', '[23]'),
    (23, 'a reschedule began elsewhere than the one before it ended', '[25]')
    $$,
    'a chain that is broken or ends elsewhere, each appointment once'
);
select results_eq(
    'select entity_id from trueup.appointment_modification_mismatch where entity_id = any(array[12, 22]::bigint[])',
    'values (22::bigint)',
    'the same, asked for some of them'
);
select is(
    (select v.company_id from trueup.appointment_modification_mismatch as v where v.entity_id = 22),
    1::bigint,
    'with the company of the appointment'
);

update public.appointments set starts_at = '2025-10-22 13:00:00+00', ends_at = '2025-10-22 13:45:00+00'
where id in (21, 23);
update public.appointment_modifications set old_starts_at = '2025-10-22 10:00:00+00' where id in (23, 25);
select is_empty('select * from trueup.appointment_modification_mismatch', 'clean once a person has decided');

select * from finish();
rollback;
