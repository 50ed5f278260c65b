-- call_stuck_ongoing: the check, then the repair

begin;
select plan(28);

select factory.company(1);
select factory.company(2);

create function pg_temp.under_way(
    p_id bigint, p_started_at timestamptz, p_status text default 'ongoing', p_metadata jsonb default '{}'
) returns void language sql as $$
select factory.call(
    id => p_id, status => p_status, started_at => p_started_at, ended_at => null, duration_ms => null,
    metadata => p_metadata
);
$$;

-- when a call that began at 09:00 ended, as the provider's epoch milliseconds
create function pg_temp.payload(p_end text) returns jsonb language sql as $$
select jsonb_build_object('retell', jsonb_build_object('end_timestamp', p_end::jsonb));
$$;

-- an event that was stored encoded, before the constraint
alter table trueup.webhook_events drop constraint webhook_events_body_decoded;

create function pg_temp.event(
    p_call_id bigint, p_end bigint, p_company_id bigint default 1, p_type text default 'call_ended',
    p_provider text default 'retell', p_is_encoded_twice boolean default false
) returns void language sql as $$
insert into trueup.webhook_events (company_id, provider, event_type, object_id, body, body_hash)
select
    p_company_id, p_provider, p_type, c.retell_call_id,
    case when p_is_encoded_twice then to_jsonb(b.body::text) else b.body end,
    md5(b.body::text)
from public.calls as c
cross join lateral (
    select jsonb_build_object(
        'event', p_type, 'call', jsonb_build_object('call_id', c.retell_call_id, 'end_timestamp', p_end)
    ) as body
) as b
where c.id = p_call_id;
$$;

-- near misses
select pg_temp.under_way(1, now() - interval '1 hour 59 minutes');
select pg_temp.under_way(2, now() - interval '1 minute', 'registered');
select pg_temp.under_way(3, now() + interval '1 hour');
select factory.call(id => 4);
select factory.call(id => 5, status => 'analyzed');
select factory.call(id => 6, status => 'failed', ended_at => null, duration_ms => null);
select factory.call(id => 7, status => 'ongoing', deleted_at => '2025-10-21 09:00:00+00');
select factory.call(id => 8, status => 'ongoing', started_at => null, ended_at => null, duration_ms => null, created_at => now());
select is_empty('select * from trueup.call_stuck_ongoing', 'near misses are silent');

-- check
select pg_temp.under_way(11, now() - interval '2 hours 1 minute');
select pg_temp.under_way(12, '2025-10-20 09:00:00+00', 'registered');
select factory.call(id => 13, status => 'ongoing', started_at => null, ended_at => null, duration_ms => null);
select set_eq(
    'select entity_id from trueup.call_stuck_ongoing', array[11, 12, 13]::bigint[],
    'past the limit, ongoing or registered; without a start its row''s age decides'
);
update trueup.settings set value = '3 hours' where name = 'ongoing_limit';
select set_eq(
    'select entity_id from trueup.call_stuck_ongoing', array[12, 13]::bigint[], 'the limit is a setting'
);
update trueup.settings set value = '1 hour' where name = 'ongoing_limit';
select set_eq(
    'select entity_id from trueup.call_stuck_ongoing', array[1, 11, 12, 13]::bigint[], 'the limit is a setting, shorter'
);
update trueup.settings set value = '2 hours' where name = 'ongoing_limit';

set constraints all immediate;
select factory.behind_the_back(true);
select factory.legacy('calls_status_vocabulary');
select pg_temp.under_way(14, '2025-10-20 09:00:00+00', 'in_progress');
select pg_temp.under_way(15, '2025-10-20 09:00:00+00', ' Active');
select pg_temp.under_way(16, '2025-10-20 09:00:00+00', 'inbound');
select pg_temp.under_way(17, '2025-10-20 09:00:00+00', 'completed');
select factory.behind_the_back(false);
select results_eq(
    $$select entity_id, evidence ->> 'status' from trueup.call_stuck_ongoing where entity_id > 13 order by entity_id$$,
    $$values (14::bigint, 'in_progress'), (15, ' Active')$$,
    'a synonym counts as the word it means, in any spelling; another word does not'
);

-- repair: the stored payload
select pg_temp.under_way(21, '2025-10-20 09:00:00+00', 'ongoing', pg_temp.payload('1760950861000'));
select is((trueup.repair_call_stuck_ongoing(21)).outcome, 'corrected', 'the stored payload is evidence');
select results_eq(
    'select c.status, c.ended_at, c.duration_ms from public.calls as c where c.id = 21',
    $$values ('ended', '2025-10-20 09:01:01+00'::timestamptz, 61000)$$,
    'the call ended then'
);
select factory.call(
    id => 22, status => 'ongoing', started_at => null, ended_at => null, duration_ms => 61000,
    metadata => pg_temp.payload('1760950861000'), created_at => '2025-10-20 09:05:00+00'
);
select is(
    (trueup.repair_call_stuck_ongoing(22)).outcome, 'corrected', 'without a start as well, in a row stored after the end'
);
select results_eq(
    'select c.status, c.ended_at, c.duration_ms from public.calls as c where c.id = 22',
    $$values ('ended', '2025-10-20 09:01:01+00'::timestamptz, 61000)$$,
    'which keeps the duration it has'
);

-- repair: an event
select pg_temp.under_way(23, '2025-10-20 09:00:00+00');
select pg_temp.event(23, 1760950861000);
select pg_temp.event(23, 1760950861000, p_type => 'call_analyzed', p_is_encoded_twice => true);
select is((trueup.apply_repair('call_stuck_ongoing', 'call', '23')).outcome, 'corrected', 'an event is evidence');
select is(
    (select c.ended_at from public.calls as c where c.id = 23), '2025-10-20 09:01:01+00', 'delivered twice is told once'
);

-- what is no evidence
select pg_temp.under_way(24, '2025-10-20 09:00:00+00');
select pg_temp.event(24, 1760950861000);
select pg_temp.event(24, 1760950862000, p_type => 'call_analyzed');
select is((trueup.repair_call_stuck_ongoing(24)).outcome, 'review', 'two events that disagree');
select pg_temp.under_way(25, '2025-10-20 09:00:00+00');
select pg_temp.event(25, 1760950861000, p_company_id => 2);
select pg_temp.event(25, 1760950861000, p_company_id => null, p_type => 'call_analyzed');
select is((trueup.repair_call_stuck_ongoing(25)).outcome, 'review', 'an event of another company, or of none');
select pg_temp.under_way(26, '2025-10-20 09:00:00+00');
select pg_temp.event(26, 1760950861000, p_type => 'call_started');
select is((trueup.repair_call_stuck_ongoing(26)).outcome, 'review', 'an event that began it');

select pg_temp.under_way(27, '2025-10-20 09:00:00+00', 'ongoing', pg_temp.payload('1760950799000'));
select is((trueup.repair_call_stuck_ongoing(27)).outcome, 'review', 'an end before the start');
select pg_temp.under_way(28, '2025-10-20 09:00:00+00', 'ongoing', pg_temp.payload('4000000000000'));
select is((trueup.repair_call_stuck_ongoing(28)).outcome, 'review', 'an end to come');
select pg_temp.under_way(29, '1990-01-01 00:00:00+00', 'ongoing', pg_temp.payload('1760950861000'));
select is((trueup.repair_call_stuck_ongoing(29)).outcome, 'review', 'an end too far from the start');
select factory.call(id => 30, status => 'ongoing', metadata => pg_temp.payload('1760950870000'));
select is((trueup.repair_call_stuck_ongoing(30)).outcome, 'review', 'another end than the one stored');
select factory.call(id => 31, status => 'ongoing', metadata => pg_temp.payload('1760950861400'));
select is((trueup.repair_call_stuck_ongoing(31)).outcome, 'corrected', 'near miss: the same, rounded');
select factory.call(
    id => 32, status => 'ongoing', ended_at => 'infinity', duration_ms => null, metadata => pg_temp.payload('1760950861000')
);
select is((trueup.repair_call_stuck_ongoing(32)).outcome, 'corrected', 'near miss: an end at infinity is none');
select is((select c.duration_ms from public.calls as c where c.id = 32), 61000, 'and the time between is computed');
select is((trueup.repair_call_stuck_ongoing(12)).outcome, 'review', 'nothing that tells it');
select pg_temp.under_way(40 + n, '2025-10-20 09:00:00+00', 'ongoing', m::jsonb)
from unnest(array[
    '{"retell": {"end_timestamp": "tomorrow"}}', '{"retell": {"end_timestamp": 999999999999999999}}',
    '{"retell": {"end_timestamp": -1}}', '{"retell": {"end_timestamp": 0}}', '{"retell": "end_timestamp"}',
    '"retell"', '["retell"]', '{"retell": {"end_timestamp": {}}}', '{"retell": {"end_timestamp": 1760950861000.5}}'
]) with ordinality as s (m, n);
select is(
    array(
        select distinct r.outcome
        from generate_series(41, 49) as n (id)
        cross join lateral trueup.repair_call_stuck_ongoing(n.id) as r
    ),
    array['review'],
    'payloads of any other shape, which raise nothing'
);
select is(
    (select count(*) from public.calls as c where c.id between 24 and 49 and c.status = 'ended'),
    2::bigint,
    'nothing is changed without evidence'
);

-- mending the spelling leaves the call stuck, and does not end it
select is((trueup.apply_repair('call_status_unknown', 'call', '14')).outcome, 'corrected', 'the spelling is mended');
select is((select c.status from public.calls as c where c.id = 14), 'ongoing', 'to the word it means');
select is((trueup.apply_repair('call_stuck_ongoing', 'call', '14')).outcome, 'review', 'then a person decides');
select set_eq(
    'select entity_id from trueup.call_stuck_ongoing',
    array[11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 41, 42, 43, 44, 45, 46, 47, 48, 49]::bigint[],
    'what is under review is still reported, what is mended is not'
);

select * from finish();
rollback;
