-- call_times_contradict: the constraint, the check, then the repair

begin;
select plan(28);

select factory.company(1);

-- constraint
select throws_ok(
    $$select factory.call(id => 1, ended_at => '2025-10-20 08:59:59+00')$$,
    '23514', null, 'a call that ends before it starts is refused'
);
select throws_ok(
    $$select factory.call(id => 1, ended_at => '2025-10-20 08:59:59+00', duration_ms => null)$$,
    '23514', null, 'without a duration as well'
);
select throws_ok(
    $$select factory.call(id => 1, duration_ms => 62001)$$, '23514', null, 'so is a duration more than a second too long'
);
select throws_ok($$select factory.call(id => 1, duration_ms => 59999)$$, '23514', null, 'or too short');
select factory.call(id => 1);
select throws_ok($$update public.calls set duration_ms = 61 where id = 1$$, '23514', null, 'on update as well');
select lives_ok('update public.calls set duration_ms = 62000 where id = 1', 'near miss: a second too long');
select lives_ok('update public.calls set duration_ms = 60000 where id = 1', 'near miss: a second too short');
select lives_ok('update public.calls set duration_ms = null where id = 1', 'near miss: no duration');
select lives_ok(
    'update public.calls set ended_at = null, duration_ms = 5000 where id = 1', 'near miss: no end'
);
select lives_ok(
    $$update public.calls set started_at = null, ended_at = '2025-10-20 09:01:01+00' where id = 1$$,
    'near miss: no start'
);
select lives_ok(
    $$select factory.call(id => 2, ended_at => '2025-10-20 09:00:00+00', duration_ms => 0)$$,
    'near miss: no time at all'
);
select lives_ok(
    $$select factory.call(id => 3, ended_at => 'infinity', duration_ms => null)$$,
    'near miss: no end in sight, and no duration'
);
select lives_ok(
    $$select factory.call(id => 4, started_at => '-infinity', ended_at => 'infinity', duration_ms => null)$$,
    'near miss: no start either'
);
select is_empty('select * from trueup.call_times_contradict', 'near misses are silent');
select throws_ok(
    $$select factory.call(id => 5, ended_at => 'infinity', duration_ms => 61000)$$,
    '23514', null, 'a call without an end has no duration'
);
select throws_ok(
    $$select factory.call(id => 5, started_at => 'infinity', ended_at => 'infinity', duration_ms => 0)$$,
    '23514', null, 'not even of nothing'
);

-- check
set constraints all immediate;
select factory.behind_the_back(true);
select factory.legacy('calls_times_agree');
select factory.call(id => 11, duration_ms => 61);
select factory.call(id => 12, duration_ms => 62001);
select factory.call(id => 13, ended_at => '2025-10-20 08:59:59+00', duration_ms => null);
select factory.call(id => 14, ended_at => '2025-12-20 09:00:00+00');
select factory.call(id => 15, duration_ms => 61, deleted_at => '2025-10-21 09:00:00+00');
select factory.call(id => 16, started_at => '2025-10-20 09:00:00.2506+00', duration_ms => -1);
select factory.call(id => 17, ended_at => 'infinity', duration_ms => 61000);
select factory.call(id => 18, started_at => 'infinity', ended_at => 'infinity', duration_ms => 0);
select factory.call(id => 19, started_at => 'infinity', duration_ms => 61000);
select factory.behind_the_back(false);

select results_eq(
    $$
    select entity_id, description, evidence ->> 'duration_ms' from trueup.call_times_contradict order by entity_id
    $$,
    $$
    values
    (11::bigint, 'duration_ms is not the time between start and end', '61'),
    (12, 'duration_ms is not the time between start and end', '62001'),
    (13, 'ended before it started', null),
    (14, 'duration_ms is not the time between start and end', '61000'),
    (16, 'duration_ms is not the time between start and end', '-1'),
    (17, 'has a duration, but no start or no end', '61000'),
    (18, 'has a duration, but no start or no end', '0'),
    (19, 'ended before it started', '61000')
    $$,
    'one row for each call, with what contradicts; not for a deleted one'
);

-- repair
select is((trueup.repair_call_times_contradict(11)).outcome, 'corrected', 'the duration is computed again');
select is((select c.duration_ms from public.calls as c where c.id = 11), 61000, 'from start and end');
select is((trueup.repair_call_times_contradict(12)).outcome, 'corrected', 'when it is too long as well');
select is((trueup.repair_call_times_contradict(16)).outcome, 'corrected', 'or impossible');
select is((select c.duration_ms from public.calls as c where c.id = 16), 60749, 'to the millisecond, rounded');
select is((trueup.repair_call_times_contradict(13)).outcome, 'review', 'which instant is wrong, nobody can compute');
select is(
    (select c.ended_at from public.calls as c where c.id = 13), '2025-10-20 08:59:59+00', 'and both stay'
);
select is((trueup.repair_call_times_contradict(14)).outcome, 'review', 'a call of weeks has a wrong instant too');
select is((select c.duration_ms from public.calls as c where c.id = 14), 61000, 'and keeps its duration');
select results_eq(
    $$
    select i.id, r.outcome, r.reason
    from generate_series(17, 19) as i (id)
    cross join lateral trueup.repair_call_times_contradict(i.id) as r
    order by i.id
    $$,
    $$
    values
    (17, 'review'::text, 'it has a duration, but no start or no end'::text),
    (18, 'review', 'it has a duration, but no start or no end'),
    (19, 'review', 'it ended before it started: one instant is wrong')
    $$,
    'nor which of two is infinite by mistake'
);
select set_eq(
    'select entity_id from trueup.call_times_contradict', array[13, 14, 17, 18, 19]::bigint[],
    'what is under review is still reported'
);

select * from finish();
rollback;
