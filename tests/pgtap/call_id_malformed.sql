-- call_id_malformed: the check; a person decides

begin;
select plan(6);

select factory.company(1);

-- near misses
select factory.call(id => 1);
select factory.call(id => 2, retell_call_id => 'call_20c458c2dce4b4c0ddd0c042dbf');
select factory.call(id => 3, retell_call_id => 'call_' || repeat('0', 27));
select factory.call(id => 4, retell_call_id => 'call_' || repeat('f', 27));
select factory.call(id => 5, retell_call_id => 'temp_1', deleted_at => '2025-10-21 09:00:00+00');
select is_empty('select * from trueup.call_id_malformed', 'near misses are silent');

-- check
select factory.call(id => 10 + n::integer, retell_call_id => said)
from unnest(array[
    'temp_17611227213ecd0730f', 'demo_call_5d3d0d711c', 'test_123', '', ' ', '{{call_id}}', 'call_001', 'call_',
    'call_' || repeat('a', 26), 'call_' || repeat('a', 28), 'call_' || repeat('g', 27), 'call_' || repeat('A', 27),
    'Call_' || repeat('a', 27), ' call_' || repeat('a', 27), 'call_' || repeat('a', 27) || E'\n', repeat('a', 32),
    E'test\ncall_' || repeat('b', 27)
]) with ordinality as s (said, n);
select set_eq(
    'select entity_id from trueup.call_id_malformed', array(select generate_series(11, 27)::bigint),
    'placeholders, other lengths, other letters'
);
select results_eq(
    'select company_id, entity_type, evidence from trueup.call_id_malformed where entity_id = 13',
    $$values (1::bigint, 'call', '{"retell_call_id": "test_123"}'::jsonb)$$,
    'the id is its evidence'
);

-- no repair
select hasnt_function('trueup', 'repair_call_id_malformed', 'the real id cannot be computed');
select is(
    (trueup.apply_repair('call_id_malformed', 'call', '13', p_correct => false)).outcome, 'review', 'a person decides'
);
update public.calls set retell_call_id = 'call_' || repeat('c', 27) where id = 13;
select is_empty(
    'select 1 from trueup.call_id_malformed where entity_id = 13', 'the real id, once known, ends it'
);

select * from finish();
rollback;
