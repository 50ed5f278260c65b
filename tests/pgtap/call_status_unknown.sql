-- call_status_unknown: the fill, the constraint, the check, then the repair

begin;
select plan(38);

select factory.company(1);

create function pg_temp.status(p_id bigint) returns text language sql as $$
select c.status from public.calls as c where c.id = p_id;
$$;

-- fill, insert: calls_fill_status
select lives_ok(
    $$
    select factory.call(id => 10 + n::integer, status => said)
    from unnest(array['in_progress', 'in-progress', 'active', ' Active', E'ONGOING\n']) with ordinality as s (said, n)
    $$,
    'a writer with words of its own is not refused'
);
select is(
    array(select distinct c.status from public.calls as c where c.id between 11 and 15),
    array['ongoing'],
    'synonyms become the word of the vocabulary, case and space ignored'
);
select factory.call(id => 16, status => 'completed');
select is(pg_temp.status(16), 'ended', 'completed is ended');
select factory.call(id => 20 + n::integer, status => said)
from unnest(array['registered', 'ongoing', 'ended', 'analyzed', 'failed']) with ordinality as s (said, n);
select is(
    array(select c.status from public.calls as c where c.id between 21 and 25 order by c.id),
    array['registered', 'ongoing', 'ended', 'analyzed', 'failed'],
    'near miss: a word stays'
);

-- fill, update: calls_fill_status_on_update
select lives_ok(
    $$update public.calls set status = 'In_Progress' where id = 21$$, 'nor when it updates'
);
select is(pg_temp.status(21), 'ongoing', 'on update as well');
update public.calls set status = 'completed' where id = 21;
select is(pg_temp.status(21), 'ended', 'and up');
update public.calls set status = 'ongoing' where id = 21;
select is(pg_temp.status(21), 'ended', 'a late event does not move a call down');
update public.calls set status = 'active' where id = 21;
select is(pg_temp.status(21), 'ended', 'in no spelling');
update public.calls set status = 'registered' where id = 21;
select is(pg_temp.status(21), 'ended', 'nor by two ranks');
update public.calls set status = 'analyzed' where id = 21;
select is(pg_temp.status(21), 'analyzed', 'near miss: up it goes');
update public.calls set status = 'ended' where id = 21;
select is(pg_temp.status(21), 'analyzed', 'call_ended may arrive after call_analyzed');
update public.calls set status = 'ongoing', disconnection_reason = 'user_hangup' where id = 21;
select is(
    (select c.disconnection_reason from public.calls as c where c.id = 21),
    'user_hangup',
    'what else a late event says is stored'
);
update public.calls set status = 'failed' where id = 21;
select is(pg_temp.status(21), 'failed', 'any call may fail');
update public.calls set status = 'analyzed' where id = 25;
select is(pg_temp.status(25), 'failed', 'and failed is the last word');
insert into trueup.vocabularies (vocabulary, value, means) values ('call_status', 'hung_up', 'ended');
update public.calls set status = 'hung_up' where id = 22;
select is(pg_temp.status(22), 'ended', 'a synonym of one''s own is a row of the vocabulary');

-- an undo puts back what was there
select factory.undoing(true);
update public.calls set status = 'ongoing' where id = 24;
select factory.undoing(false);
select is(pg_temp.status(24), 'ongoing', 'near miss: an undo moves down, for a person decided');

-- constraint
select throws_ok(
    $$select factory.call(id => 30, status => 'inbound')$$, '23514', null, 'a status nobody knows is refused'
);
select throws_ok($$update public.calls set status = 'maybe' where id = 23$$, '23514', null, 'on update as well');
select throws_ok($$update public.calls set status = '' where id = 23$$, '23514', null, 'so is an empty one');
select is_empty('select * from trueup.call_status_unknown', 'near misses are silent');

-- check
set constraints all immediate;
select factory.behind_the_back(true);
select throws_ok(
    $$select factory.call(id => 30, status => 'completed')$$, '23514', null, 'without the fill a synonym is refused'
);
select factory.legacy('calls_status_vocabulary');
select factory.call(id => 31, status => 'completed');
select factory.call(id => 32, status => 'inbound');
select factory.call(id => 33, status => 'in_progress', call_type => null, ended_at => null, duration_ms => null);
select factory.call(id => 34, status => ' In_Progress', call_type => null, ended_at => null, duration_ms => null);
select factory.call(id => 35, status => 'Completed', call_type => null);
select factory.call(id => 36, status => 'inbound', deleted_at => '2025-10-21 09:00:00+00');
select factory.call(id => 37, status => 'Analyzed');
select factory.call(id => 38, status => '');
select factory.call(id => 39, status => 'completed');
select factory.behind_the_back(false);

select results_eq(
    'select entity_id, evidence from trueup.call_status_unknown order by entity_id',
    $$
    values
    (31::bigint, '{"column": "status", "value": "completed"}'::jsonb),
    (32, '{"column": "status", "value": "inbound"}'),
    (33, '{"column": "status", "value": "in_progress"}'),
    (34, '{"column": "status", "value": " In_Progress"}'),
    (35, '{"column": "status", "value": "Completed"}'),
    (37, '{"column": "status", "value": "Analyzed"}'),
    (38, '{"column": "status", "value": ""}'),
    (39, '{"column": "status", "value": "completed"}')
    $$,
    'one row for each call, column and value in its evidence; not for a deleted one'
);

-- a legacy row: an update of something else mends the spelling, and its rank counts
update public.calls set disconnection_reason = 'user_hangup' where id = 39;
select is(pg_temp.status(39), 'ended', 'an update of something else mends a synonym');
set constraints all immediate;
select factory.behind_the_back(true);
update public.calls set status = 'completed' where id = 39;
select factory.behind_the_back(false);
update public.calls set status = 'ongoing' where id = 39;
select is(pg_temp.status(39), 'ended', 'a synonym has the rank of the word it means');

-- repair
select is((trueup.repair_call_status_unknown(31)).outcome, 'corrected', 'the vocabulary is evidence');
select is(pg_temp.status(31), 'ended', 'the call gets the word that is meant');
select is((trueup.repair_call_status_unknown(32)).outcome, 'review', 'a word that means nothing is for a person');
select is(pg_temp.status(32), 'inbound', 'and stays until then');
select is((trueup.repair_call_status_unknown(38)).outcome, 'review', 'so is an empty one');
select is((trueup.repair_call_status_unknown(37)).outcome, 'corrected', 'another spelling of a word');
select is(pg_temp.status(37), 'analyzed', 'is that word');

-- mending the spelling must not seem to cause what was wrong before
select is(
    (trueup.apply_repair('call_status_unknown', 'call', n::text)).outcome, 'corrected',
    format('call %s: stuck, or without call_type, in any spelling', n)
)
from generate_series(33, 35) as n;
select is(
    array(select c.status from public.calls as c where c.id between 33 and 35 order by c.id),
    array['ongoing', 'ongoing', 'ended'],
    'the words'
);

-- a person's answer may be a new word of the vocabulary
select set_eq(
    'select entity_id from trueup.call_status_unknown', array[32, 38]::bigint[], 'what is under review is still reported'
);
insert into trueup.vocabularies (vocabulary, value, means) values ('call_status', 'inbound', 'ended');
select is((trueup.repair_call_status_unknown(32)).outcome, 'corrected', 'a synonym that a person adds is evidence');

select * from finish();
rollback;
