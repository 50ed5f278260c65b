-- call_duplicate: the check; a person decides

begin;
select plan(10);

select factory.company(1);
select factory.company(2);

-- each pair or more begins at a minute of its own
create function pg_temp.call(
    p_id bigint, p_minute integer, p_seconds numeric, p_is_temporary boolean default false, p_company_id bigint default 1,
    p_from_number text default '+491700000000', p_to_number text default '+493000000000',
    p_deleted_at timestamptz default null
) returns void language sql as $$
select factory.call(
    id => p_id, company_id => p_company_id, from_number => p_from_number, to_number => p_to_number,
    retell_call_id => case when p_is_temporary then 'temp_' || p_id end,
    started_at => '2025-10-20 09:00:00+00'::timestamptz + make_interval(mins => p_minute, secs => p_seconds),
    ended_at => null, duration_ms => null, deleted_at => p_deleted_at
);
$$;

-- near misses
select pg_temp.call(1, 1, 0);
select pg_temp.call(2, 1, 2);
select pg_temp.call(3, 2, 0);
select pg_temp.call(4, 2, 5.001, true);
select pg_temp.call(5, 3, 0);
select pg_temp.call(6, 3, 0, true, p_company_id => 2);
select pg_temp.call(7, 4, 0);
select pg_temp.call(8, 4, 0, true, p_from_number => '+491700000001');
select pg_temp.call(9, 5, 0);
select pg_temp.call(10, 5, 0, true, p_to_number => '+493000000001');
select pg_temp.call(11, 6, 0);
select pg_temp.call(12, 6, 0, true, p_deleted_at => '2025-10-21 09:00:00+00');
select pg_temp.call(13, 7, 0, true);
select factory.call(id => 14, retell_call_id => 'temperature_14', started_at => '2025-10-20 09:08:00+00', ended_at => null);
select pg_temp.call(15, 8, 1);
select factory.call(id => 16, retell_call_id => 'temp_16', started_at => null);
select is_empty(
    'select * from trueup.call_duplicate',
    'near misses: no temporary id, too far apart, another company, another number, deleted, alone, without a start'
);

-- check
select pg_temp.call(21, 21, 0);
select pg_temp.call(22, 21, 5, true);
select pg_temp.call(23, 23, 0, true);
select pg_temp.call(24, 23, 0, true);
select pg_temp.call(25, 25, 0);
select pg_temp.call(26, 25, 3, true);
select pg_temp.call(27, 25, 6);
select pg_temp.call(28, 28, 0, p_from_number => 'anonymous');
select pg_temp.call(29, 28, 1, true, p_from_number => 'anonymous');
select results_eq(
    $$select entity_id, evidence -> 'other_call_ids' from trueup.call_duplicate order by entity_id$$,
    $$
    values
    (21::bigint, '[22]'::jsonb), (22, '[21]'), (23, '[24]'), (24, '[23]'),
    (25, '[26]'), (26, '[25, 27]'), (27, '[26]'), (28, '[29]'), (29, '[28]')
    $$,
    'both sides, one row for each call, whatever the order; two without a temporary id are not each other''s twins'
);
select is(
    (select evidence ->> 'retell_call_id' from trueup.call_duplicate where entity_id = 22), 'temp_22', 'evidence: the id'
);
select ok(
    (select evidence ? 'from_number' is false from trueup.call_duplicate where entity_id = 22), 'and no number'
);

-- a caller who withholds the number may be stored as NULL: the same as no number
select pg_temp.call(31, 31, 0, p_from_number => null);
select pg_temp.call(32, 31, 2, true, p_from_number => null);
select set_eq(
    'select entity_id from trueup.call_duplicate where entity_id > 30', array[31, 32]::bigint[],
    'without a number, twice'
);
select pg_temp.call(33, 33, 0, p_from_number => null);
select pg_temp.call(34, 33, 2, true);
select is_empty(
    'select 1 from trueup.call_duplicate where entity_id in (33, 34)', 'near miss: a number and none are not the same'
);

-- the window is a setting
update trueup.settings set value = '4 seconds' where name = 'duplicate_call_window';
select is_empty('select 1 from trueup.call_duplicate where entity_id in (21, 22)', 'a narrower window');
update trueup.settings set value = '6 seconds' where name = 'duplicate_call_window';
select set_eq(
    'select entity_id from trueup.call_duplicate where entity_id < 20', array[3, 4]::bigint[], 'a wider one'
);

-- no repair
select hasnt_function('trueup', 'repair_call_duplicate', 'a person decides');
update public.calls set deleted_at = '2025-10-21 09:00:00+00' where id in (22, 23, 26, 29, 32, 4);
select is_empty('select * from trueup.call_duplicate', 'deleting the second record ends it');

select * from finish();
rollback;
