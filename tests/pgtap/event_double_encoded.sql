-- event_double_encoded: the fills and constraints, then the check, then the repair

begin;
select plan(24);

select factory.company(1);
select factory.customer(id => 1);

create function pg_temp.twice(value jsonb) returns jsonb language sql as 'select to_jsonb($1::text)';

create function pg_temp.repair(entity_type text, entity_id bigint) returns text language sql as $$
select concat_ws(': ', r.outcome, r.reason)
from trueup.apply_repair('event_double_encoded', $1, $2::text) as r;
$$;

-- the fills: what is written encoded is stored as what it means
select factory.call(id => 1, booking_details => pg_temp.twice('{"a": 1}'), metadata => pg_temp.twice('{"b": 2}'));
select is(
    (select jsonb_build_array(c.booking_details, c.metadata) from public.calls as c where c.id = 1),
    '[{"a": 1}, {"b": 2}]'::jsonb, 'a call that is inserted encoded twice is decoded'
);
update public.calls set metadata = pg_temp.twice(pg_temp.twice('{"c": 3}')) where id = 1;
select is(
    (select c.metadata from public.calls as c where c.id = 1), '{"c": 3}'::jsonb, 'and one that is updated, encoded thrice'
);
select factory.appointment(id => 1, metadata => pg_temp.twice('{"a": 1}'));
select is(
    (select a.metadata from public.appointments as a where a.id = 1), '{"a": 1}'::jsonb, 'an appointment is, too'
);

-- near misses
select lives_ok(
    $$update public.calls set booking_details = '"noted by hand"' where id = 1$$, 'a string that is a value may be stored'
);
select lives_ok($$update public.calls set metadata = '"42"' where id = 1$$, 'also one that reads like a number');
update public.calls set booking_details = null, metadata = '{}' where id = 1;
select is_empty('select entity_id from trueup.event_double_encoded', 'and the check is silent');

-- the constraints
select throws_ok(
    $$update public.calls set booking_details = '"{broken"' where id = 1$$, '23514', null,
    'what begins like JSON and cannot be read is refused'
);
select throws_ok(
    $$update public.appointments set metadata = '"[broken"' where id = 1$$, '23514', null, 'of appointments, too'
);
select throws_ok(
    $$insert into trueup.webhook_events (provider, event_type, body, body_hash) values ('retell', 'x', '"{}"', 'x')$$,
    '23514', null, 'an event is stored decoded or not at all'
);

-- the check finds what was planted behind their back
set constraints all immediate;
set constraints all deferred;
select factory.legacy('calls_booking_details_decoded');
select factory.legacy('calls_metadata_decoded');
select factory.legacy('appointments_metadata_decoded');
alter table trueup.webhook_events drop constraint webhook_events_body_decoded;
select factory.behind_the_back(true);
select factory.call(id => 11, booking_details => pg_temp.twice('{"date": "22.10.2025"}'));
select factory.call(id => 12, metadata => pg_temp.twice(pg_temp.twice('{"b": 2}')));
select factory.call(id => 13, booking_details => '"{broken"');
select factory.call(id => 14, booking_details => '"a word"');
select factory.appointment(id => 11, metadata => pg_temp.twice('["a"]'));
-- strangers of one number: one that cannot be read, and one that somebody has accepted
select factory.company(2);
select factory.call(id => 21, metadata => pg_temp.twice('{"a": 1}'));
select factory.appointment(id => 21, company_id => 2, metadata => '"{broken"');
select factory.call(id => 22, metadata => pg_temp.twice('{"a": 1}'));
select factory.appointment(id => 22, company_id => 2, metadata => pg_temp.twice('{"a": 1}'));
insert into trueup.webhook_events (id, provider, event_type, body, body_hash) overriding system value
values (15, 'retell', 'call_ended', pg_temp.twice('{"event": "call_ended"}'), 'x');
set constraints all immediate;
select factory.behind_the_back(false);
set constraints all deferred;

select set_eq(
    'select entity_type, entity_id from trueup.event_double_encoded',
    $$
    values
        ('call', 11::bigint), ('call', 12), ('call', 13), ('call', 21), ('call', 22), ('appointment', 11),
        ('appointment', 21), ('appointment', 22), ('webhook_event', 15)
    $$,
    'calls, appointments and events, and no string that is a value'
);
select is(
    (select v.evidence from trueup.event_double_encoded as v where v.entity_type = 'call' and v.entity_id = 12),
    '{"booking_details": false, "metadata": true}'::jsonb,
    'it says which column'
);

-- the repair
select is(pg_temp.repair('call', 11), 'corrected: decoded', 'a call');
select is(
    (
        select jsonb_build_array(c.booking_details, a.metadata)
        from public.calls as c
        inner join public.appointments as a on c.id = a.id
        where c.id = 11
    ),
    jsonb_build_array('{"date": "22.10.2025"}'::jsonb, pg_temp.twice('["a"]')),
    'says what it means, and the appointment of the same number is left to its own repair'
);
select is(pg_temp.repair('appointment', 11), 'corrected: decoded', 'an appointment');
select is((select a.metadata from public.appointments as a where a.id = 11), '["a"]'::jsonb, 'says what it means, too');
select is(pg_temp.repair('call', 21), 'corrected: decoded', 'a stranger that cannot be read is in no call''s way');
select is(pg_temp.repair('call', 22), 'corrected: decoded', 'the repair of a call');
select set_eq(
    $$
    select
        r.entity_type,
        rc.table_name,
        rc.key_value
    from trueup.repairs as r
    inner join trueup.repair_changes as rc on r.id = rc.repair_id
    where r.check_name = 'event_double_encoded' and r.entity_id in ('21', '22')
    $$,
    $$values ('call', 'public.calls', '21'), ('call', 'public.calls', '22')$$,
    'changes the call alone'
);
select is(pg_temp.repair('call', 12), 'corrected: decoded', 'a call encoded thrice');
select is(pg_temp.repair('webhook_event', 15), 'corrected: decoded', 'an event');
select is(
    (select e.body from trueup.webhook_events as e where e.id = 15), '{"event": "call_ended"}'::jsonb, 'is readable'
);
select is(
    pg_temp.repair('call', 13), 'review: the text begins like JSON and cannot be read', 'what cannot be read is for a person'
);
select is(
    (select c.booking_details from public.calls as c where c.id = 13), '"{broken"'::jsonb, 'and left as it is'
);
select set_eq(
    'select entity_type, entity_id from trueup.event_double_encoded',
    $$values ('call', 13::bigint), ('appointment', 21), ('appointment', 22)$$,
    'nothing else is left'
);

select * from finish();
rollback;
