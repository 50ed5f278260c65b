-- calls_fill_duration: the end comes first, the duration with a later event

begin;
select plan(10);

select factory.company(1);
select factory.call(id => 1, status => 'ongoing', ended_at => null, duration_ms => 0);
select factory.call(id => 2);

create function pg_temp.duration(p_id bigint) returns integer language sql as $$
select c.duration_ms from public.calls as c where c.id = p_id;
$$;

update public.calls set status = 'ended', ended_at = started_at + interval '90 seconds' where id = 1;
select is(pg_temp.duration(1), 90000, 'an end without a duration gets it computed');
update public.calls set ended_at = started_at + interval '2 minutes' where id = 1;
select is(pg_temp.duration(1), 120000, 'and again when the end moves');
update public.calls set duration_ms = 120900 where id = 1;
select is(pg_temp.duration(1), 120900, 'near miss: a duration that rounds is kept');
update public.calls set metadata = '{"a": 1}' where id = 1;
select is(pg_temp.duration(1), 120900, 'near miss: other columns change nothing');
select throws_ok(
    'update public.calls set duration_ms = 5 where id = 1', '23514', null, 'a duration of the same write must agree'
);
select throws_ok(
    $$update public.calls set ended_at = started_at - interval '1 second' where id = 1$$,
    '23514', null, 'an end before the start is refused'
);
select factory.undoing(true);
select throws_ok(
    $$update public.calls set ended_at = started_at + interval '5 minutes' where id = 2$$,
    '23514', null, 'an undo is not completed'
);
select factory.undoing(false);
select lives_ok(
    $$update public.calls set ended_at = 'infinity', duration_ms = null where id = 2$$, 'no end is none to compute with'
);
update public.calls set ended_at = '-infinity', started_at = '-infinity' where id = 2;
select is(pg_temp.duration(2), null, 'nor is no start');
select is_empty('select * from trueup.call_times_contradict', 'nothing of this is a violation');

select * from finish();
rollback;
