-- call_direction_missing: the fill, the constraint, the check, then the repair

begin;
select plan(34);

select factory.company(1);
select factory.company(2);
select factory.phone_number(id => 1, number => '+493012345678');
select factory.phone_number(id => 2, number => '+494087654321', company_id => 2);

create function pg_temp.direction(p_id bigint) returns text language sql as $$
select c.direction || coalesce(' ' || (c.metadata ->> 'direction_defaulted'), '') from public.calls as c where c.id = p_id;
$$;

-- fill, on insert
select factory.call(id => 1, direction => null, to_number => '+493012345678');
select is(pg_temp.direction(1), 'inbound', 'the number called is ours');
select factory.call(id => 2, direction => '', from_number => '+49 30 1234-5678');
select is(pg_temp.direction(2), 'outbound', 'the caller''s number is ours, however it is written');
select factory.call(id => 3, direction => null, from_number => '+493012345678', to_number => '+493012345678');
select is(pg_temp.direction(3), 'inbound', 'the number called comes first');
select factory.call(id => 4, direction => null, metadata => '{"kept": 1}');
select row_eq(
    'select c.direction, c.metadata from public.calls as c where c.id = 4',
    row('inbound'::text, '{"kept": 1, "direction_defaulted": true}'::jsonb),
    'neither is ours: the default, recorded as one'
);
select factory.call(id => 5, direction => null, to_number => '+494087654321');
select is(pg_temp.direction(5), 'inbound true', 'near miss: a line of another company proves nothing');
select factory.call(id => 6, direction => null, from_number => 'anonymous', to_number => null);
select is(pg_temp.direction(6), 'inbound true', 'nor do numbers that are missing');
select factory.call(id => 7, direction => 'outbound', to_number => '+493012345678');
select is(pg_temp.direction(7), 'outbound', 'near miss: a direction that is given stays');
select factory.call(id => 8, direction => null, metadata => '"{\"kept\": 1}"');
select is(pg_temp.direction(8), 'inbound true', 'metadata encoded twice is decoded for the mark');
select factory.call(id => 9, direction => null, metadata => '[1]');
select is(
    (select c.metadata from public.calls as c where c.id = 9), '[1]',
    'metadata without room for it stays as it is'
);

-- fill, in an upsert: what it puts into the row is what EXCLUDED holds
create function pg_temp.upsert(p_id bigint, p_set text, p_to_number text default null) returns text language plpgsql as $$
begin
    execute format(
        'insert into public.calls (company_id, retell_call_id, from_number, to_number) '
        'select c.company_id, c.retell_call_id, c.from_number, %L from public.calls as c where c.id = %s '
        'on conflict (company_id, retell_call_id) do update set %s', p_to_number, p_id, p_set
    );
    return pg_temp.direction(p_id);
end;
$$;
select factory.call(id => 12, direction => 'outbound', metadata => '{"kept": 1}');
select is(
    pg_temp.upsert(12, 'direction = coalesce(excluded.direction, calls.direction)'), 'outbound',
    'a stored direction is not replaced by a default'
);
select is(
    pg_temp.upsert(12, 'direction = excluded.direction, metadata = calls.metadata || excluded.metadata'), 'outbound',
    'nor marked as one'
);
select factory.call(id => 13, direction => null);
select is(
    pg_temp.upsert(13, 'direction = excluded.direction, metadata = excluded.metadata'), 'inbound true',
    'a default stays one'
);
select is(
    pg_temp.upsert(13, 'to_number = excluded.to_number, direction = excluded.direction', '+493012345678'), 'inbound',
    'until numbers prove it'
);
select is(
    pg_temp.upsert(12, 'direction = excluded.direction', '+493012345678'), 'inbound',
    'and what they prove is no guess'
);
select factory.call(id => 14, company_id => 2, retell_call_id => 'call_' || lpad('c', 27, '0'), direction => null);
select is(pg_temp.direction(14), 'inbound true', 'near miss: a call of another company is another call');

-- fill, on update
update public.calls set direction = '' where id = 7;
select is(pg_temp.direction(7), 'inbound', 'a direction that is cleared is found again');
update public.calls set to_number = '+493012345678' where id = 6;
select is(pg_temp.direction(6), 'inbound', 'a number that comes later proves it, and the mark goes');
update public.calls set from_number = '+493012345678' where id = 4;
select is(pg_temp.direction(4), 'outbound', 'and replaces the default');
update public.calls set status = 'analyzed' where id = 5;
select is(pg_temp.direction(5), 'inbound true', 'near miss: an update of something else leaves the mark');
update public.calls set direction = 'outbound' where id = 5;
select is(pg_temp.direction(5), 'outbound', 'a direction given later is a fact');
update public.calls set direction = null where id = 5;
select is(pg_temp.direction(5), 'inbound true', 'until it is cleared');
update trueup.settings set value = 'outbound' where name = 'default_direction';
select factory.call(id => 10, direction => null);
select is(pg_temp.direction(10), 'outbound true', 'the default is a setting');
update trueup.settings set value = 'sideways' where name = 'default_direction';
select factory.call(id => 11, direction => null);
select is(pg_temp.direction(11), 'inbound true', 'a setting that is no direction stops no call');
update trueup.settings set value = 'inbound' where name = 'default_direction';

-- constraint and check
set constraints all immediate;
select factory.behind_the_back(true);
select throws_ok(
    'select factory.call(id => 20, direction => null)', '23514', null,
    'without the fill a call without direction is refused'
);
select factory.legacy('calls_direction_known');
select factory.call(id => 21, direction => null, to_number => '+493012345678');
select factory.call(id => 22, direction => '');
select factory.call(id => 23, direction => null, from_number => '+493012345678');
select factory.call(id => 24, direction => null, metadata => '[1]');
select factory.call(id => 25, direction => null, deleted_at => '2025-10-21 09:00:00+00');
select factory.behind_the_back(false);

select set_eq(
    'select entity_id from trueup.call_direction_missing', array[21, 22, 23, 24]::bigint[],
    'the check lists them, but no deleted call and no default'
);
select results_eq(
    'select evidence from trueup.call_direction_missing where entity_id = 21',
    $$values ('{"direction": null, "from_number": "+4***00", "to_number": "+4***78"}'::jsonb)$$,
    'numbers are masked'
);

-- repair
select is(
    (trueup.repair_call_direction_missing(21)).reason, 'the number called is ours',
    'by the number called'
);
select is(pg_temp.direction(21), 'inbound', 'a fact');
select is(
    (trueup.repair_call_direction_missing(23)).reason, 'the caller''s number is ours',
    'by the caller''s number'
);
select is(pg_temp.direction(23), 'outbound', 'a fact as well');
select is(
    (trueup.repair_call_direction_missing(22)).evidence ->> 'defaulted', 'true', 'by default, and it says so'
);
select is(pg_temp.direction(22), 'inbound true', 'in the row, too');
select is(
    (trueup.repair_call_direction_missing(24)).outcome, 'review',
    'a default that cannot be marked is for a person'
);
select set_eq(
    'select entity_id from trueup.call_direction_missing', array[24]::bigint[], 'which is still reported'
);

select * from finish();
rollback;
