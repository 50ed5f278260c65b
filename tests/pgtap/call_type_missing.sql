-- call_type_missing: the fill, the check, then the repair

begin;
select plan(23);

select factory.company(1);

create function pg_temp.call_type(p_id bigint) returns text language sql as $$
select c.call_type from public.calls as c where c.id = p_id;
$$;

-- fill: calls_fill_type
select factory.call(id => 1, call_type => null, metadata => '{"retell": {"call_type": "web_call"}}');
select is(pg_temp.call_type(1), 'web_call', 'the stored payload tells it, on insert');
select factory.call(id => 2, call_type => null, status => 'ongoing', ended_at => null, duration_ms => null);
select is(pg_temp.call_type(2), null, 'near miss: nothing tells it, and nothing is guessed');
update public.calls set metadata = '{"retell": {"call_type": "phone_call"}}' where id = 2;
select is(pg_temp.call_type(2), 'phone_call', 'when the payload arrives, on update');
select factory.call(id => 3, call_type => 'phone_call', metadata => '{"retell": {"call_type": "web_call"}}');
select is(pg_temp.call_type(3), 'phone_call', 'near miss: what the writer says stays');
update public.calls set call_type = null where id = 3;
select is(pg_temp.call_type(3), 'web_call', 'a writer who clears it gets it from the payload');
select factory.undoing(true);
update public.calls set call_type = null where id = 3;
select factory.undoing(false);
select is(pg_temp.call_type(3), null, 'near miss: an undo is not completed again');
update public.calls set call_type = 'web_call' where id = 3;
select factory.call(id => 10 + n::integer, call_type => null, status => 'failed', metadata => m::jsonb)
from unnest(array[
    '{}', '{"retell": {}}', '{"retell": null}', '{"retell": {"call_type": ""}}', '{"retell": {"call_type": " "}}',
    '{"retell": {"call_type": 7}}', '{"retell": "web_call"}', '"retell"', '["retell"]', '{"call_type": "web_call"}'
]) with ordinality as s (m, n);
select is(
    (select count(*) from public.calls as c where c.id between 11 and 20 and c.call_type is null),
    10::bigint,
    'near misses: payloads that do not tell it, of any shape'
);
select is_empty('select * from trueup.call_type_missing', 'near misses are silent: a failed call had no kind');

-- check
set constraints all immediate;
select factory.behind_the_back(true);
select factory.legacy('calls_status_vocabulary');
select factory.call(id => 31, call_type => null, metadata => '{"retell": {"call_type": "web_call"}}');
select factory.call(id => 32, call_type => null);
select factory.call(id => 33, call_type => null, status => 'analyzed');
select factory.call(id => 34, call_type => null, status => 'completed');
select factory.call(id => 35, call_type => null, status => ' Completed');
select factory.call(id => 36, call_type => null, status => 'ongoing', ended_at => null, duration_ms => null);
select factory.call(id => 37, call_type => null, status => 'registered', ended_at => null, duration_ms => null);
select factory.call(id => 38, call_type => null, status => 'inbound');
select factory.call(id => 39, call_type => null, deleted_at => '2025-10-21 09:00:00+00');
select factory.call(
    id => 40, call_type => null, status => 'ongoing', ended_at => null, duration_ms => null,
    metadata => '{"retell": {"end_timestamp": 1760950861000}}'
);
select factory.call(
    id => 41, call_type => null, status => 'in_progress', ended_at => null, duration_ms => null,
    metadata => '{"retell": {"end_timestamp": 1760950861000, "call_type": "web_call"}}'
);
select factory.behind_the_back(false);

select results_eq(
    'select entity_id, evidence from trueup.call_type_missing order by entity_id',
    $$
    values
    (31::bigint, '{"status": "ended"}'::jsonb),
    (32, '{"status": "ended"}'),
    (33, '{"status": "analyzed"}'),
    (34, '{"status": "completed"}'),
    (35, '{"status": " Completed"}'),
    (40, '{"status": "ongoing"}'),
    (41, '{"status": "in_progress"}')
    $$,
    'calls that have ended, by status in any spelling or by the provider; not those under way, unknown or deleted'
);

-- repair
select is((trueup.repair_call_type_missing(31)).outcome, 'corrected', 'the stored payload is evidence');
select is(pg_temp.call_type(31), 'web_call', 'and the call gets it');
select is((trueup.repair_call_type_missing(32)).outcome, 'review', 'without one nobody can know');
select is(pg_temp.call_type(32), null, 'and nothing is guessed');
select is((trueup.apply_repair('call_type_missing', 'call', '41')).outcome, 'corrected', 'a call not marked as ended');
select is(pg_temp.call_type(41), 'web_call', 'gets it as well');

-- mending the status, or the end, is not undone because this is still missing
select is(
    (trueup.apply_repair('call_status_unknown', 'call', '34')).outcome, 'corrected', 'a synonym of ended is mended'
);
select is((trueup.apply_repair('call_stuck_ongoing', 'call', '40')).outcome, 'corrected', 'a stuck call is ended');
select results_eq(
    $$
    select c.status, c.ended_at, c.duration_ms, c.call_type from public.calls as c where c.id in (34, 40) order by c.id
    $$,
    $$
    values
    ('ended', '2025-10-20 09:01:01+00'::timestamptz, 61000, null::text),
    ('ended', '2025-10-20 09:01:01+00', 61000, null)
    $$,
    'with its call_type still missing'
);
select is(
    (select c.status from public.calls as c where c.id = 41), 'ongoing', 'calls_fill_status saw the repair of the other call'
);
select is((trueup.apply_repair('call_type_missing', 'call', '32')).outcome, 'review', 'the engine leaves it as well');
select is_empty(
    $$select 1 from trueup.manual_review_queue as q where q.reason = 'call_type_missing'$$,
    'and bothers nobody: it is for information'
);
select set_eq(
    'select entity_id from trueup.call_type_missing',
    array[32, 33, 34, 35, 40]::bigint[],
    'what nobody can know is still reported'
);
update public.calls set metadata = '{"retell": {"call_type": "phone_call"}}' where id = 33;
select is(pg_temp.call_type(33), 'phone_call', 'a payload that arrives late mends a legacy row at once');

select * from finish();
rollback;
