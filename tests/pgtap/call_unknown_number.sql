-- call_unknown_number: the constraint on the reference, the check; a person decides

begin;
select plan(9);

select factory.company(1);
select factory.company(2);
select factory.phone_number(1, '+493000000001', 1);
select factory.phone_number(2, '+493000000002', 2);

-- constraint
select throws_ok(
    $$select factory.call(id => 1, to_number => '+493000000002', phone_number_id => 2)$$,
    '23503', null, 'a reference to another company''s line is refused'
);

-- near misses
select factory.call(id => 11, to_number => '+493000000001');
select factory.call(id => 12, company_id => 2, to_number => '+493000000002', phone_number_id => 2);
select factory.call(id => 13, to_number => '+493000000099');
select factory.call(id => 14, to_number => null);
select factory.call(id => 15, to_number => 'anonymous');
select factory.call(id => 16, direction => 'outbound', from_number => '+493000000001', to_number => '+493000000002');
select factory.call(id => 17, to_number => '+493000000002', deleted_at => '2025-10-21 09:00:00+00');
select factory.call(id => 18, from_number => '+493000000002', to_number => '+493000000001');
select is_empty(
    'select * from trueup.call_unknown_number',
    'near misses: a line of one''s own, one nobody has, none, outbound, deleted, a company that calls another'
);

-- check
select factory.call(id => 21, to_number => '+493000000002');
select factory.call(id => 22, company_id => 2, to_number => '+493000000001');
set constraints all immediate;
select factory.behind_the_back(true);
select factory.legacy('calls_direction_known', 'calls_direction_vocabulary', 'calls_company_known');
select factory.call(id => 23, direction => null, to_number => '+493000000002');
select factory.call(id => 24, direction => 'Outbound', to_number => '+493000000002');
select factory.call(id => 25, company_id => null, to_number => '+493000000002');
select factory.behind_the_back(false);
select results_eq(
    $$
    select entity_id, company_id, evidence -> 'phone_number_id', evidence -> 'line_company_id'
    from trueup.call_unknown_number order by entity_id
    $$,
    $$
    values
    (21::bigint, 1::bigint, '2'::jsonb, '2'::jsonb),
    (22, 2, '1', '1'),
    (23, 1, '2', '2')
    $$,
    'both ways, also without a direction; outbound in any spelling is not, nor a call of no company'
);
select is(
    (select evidence ->> 'to_number' from trueup.call_unknown_number where entity_id = 21),
    trueup.masked('+493000000002'), 'the number is masked'
);
select isnt(
    (select evidence ->> 'to_number' from trueup.call_unknown_number where entity_id = 21),
    '+493000000002', 'which hides it'
);

select factory.call(id => 31, to_number => '+49 30 0000000-2');
select factory.call(id => 32, to_number => '00493000000002');
select factory.call(id => 33, to_number => '0049 (30) 0000000-1');
select factory.call(id => 34, to_number => '3000000002');
select factory.call(id => 35, to_number => ' anonymous ');
select factory.call(id => 36, direction => 'outbound', to_number => '0049 30 0000000-2');
select set_eq(
    'select entity_id, (evidence ->> ''phone_number_id'')::integer from trueup.call_unknown_number where entity_id > 30',
    'values (31::bigint, 2), (32, 2)',
    'however the number is written; near misses: a line of one''s own, another number, none, outbound'
);
delete from public.calls where id > 30;

-- no repair
select hasnt_function('trueup', 'repair_call_unknown_number', 'no call is moved to another company by itself');
select is(
    (trueup.apply_repair('call_unknown_number', 'call', '21', p_correct => false)).outcome, 'review', 'a person decides'
);
update public.calls set phone_number_id = null where id = 12;
update public.phone_numbers set company_id = 1 where id = 2;
update public.calls set deleted_at = '2025-10-21 09:00:00+00' where id in (12, 22);
select is_empty('select * from trueup.call_unknown_number', 'a line that is given to the company ends it');

select * from finish();
rollback;
