-- event_unprocessed: the check, then the repair

begin;
select plan(18);

select factory.company(1);
select factory.service(id => 1, calcom_event_type_id => 700001);

create function pg_temp.repair(event_id bigint) returns text language sql as $$
select concat_ws(': ', r.outcome, r.reason)
from trueup.apply_repair('event_unprocessed', 'webhook_event', $1::text) as r;
$$;

create function pg_temp.call_event(number integer, to_number text default '+493012345601') returns bigint language sql as $$
select r.event_id
from trueup.receive_event('retell', jsonb_build_object(
    'event', 'call_ended',
    'call', jsonb_build_object(
        'call_id', 'call_' || lpad(to_hex($1), 27, '0'), 'from_number', '+491701111111', 'to_number', $2,
        'direction', 'inbound', 'call_type', 'phone_call', 'start_timestamp', 1760950800000,
        'end_timestamp', 1760950861000
    )
)) as r;
$$;

create temporary table ev as
select
    pg_temp.call_event(1) as fresh,
    pg_temp.call_event(2) as late,
    pg_temp.call_event(3) as parked,
    pg_temp.call_event(4) as done,
    pg_temp.call_event(5) as dead,
    pg_temp.call_event(6) as poison;

update trueup.webhook_events as e
set received_at = now() - interval '9 minutes 59 seconds'
from ev
where e.id = ev.fresh;
update trueup.webhook_events as e
set received_at = now() - interval '10 minutes 1 second'
from ev
where e.id in (ev.late, ev.done, ev.dead, ev.poison);
update trueup.webhook_events as e
set status = case when e.id = ev.parked then 'parked' when e.id = ev.done then 'processed' else 'dead' end
from ev
where e.id in (ev.parked, ev.done, ev.dead);
update trueup.webhook_events as e
set body = jsonb_set(e.body, '{call,duration_ms}', '"a minute"')
from ev
where e.id = ev.poison;

select set_eq(
    'select v.entity_id from trueup.event_unprocessed as v',
    'select unnest(array[ev.late, ev.parked, ev.poison]) from ev',
    'received too long ago, or parked; not what is fresh, processed or dead'
);
select is(
    (select v.description from trueup.event_unprocessed as v, ev where v.entity_id = ev.late),
    'the event was received and not processed', 'the one'
);
select is(
    (select v.description from trueup.event_unprocessed as v, ev where v.entity_id = ev.parked),
    'the event waits for somebody who knows what it concerns', 'the other'
);
update trueup.settings set value = '9 minutes' where name = 'event_unprocessed_limit';
select is((select count(*) from trueup.event_unprocessed), 4::bigint, 'how long is a setting');
update trueup.settings set value = default_value where name = 'event_unprocessed_limit';

-- nothing says whose the calls are: no company is assumed
select is(
    (select pg_temp.repair(ev.late) from ev),
    'review: unknown tenant: neither number is a line of a company', 'a person decides'
);
select is((select count(*) from public.calls), 0::bigint, 'and no call is made for anybody');
select is(
    (select q.company_id from trueup.manual_review_queue as q where q.reason = 'event_unprocessed'),
    null, 'nor is one company asked'
);

-- now there is a line
select factory.phone_number(id => 1, number => '+493012345601');
select is((select pg_temp.repair(ev.late) from ev), 'corrected: processed', 'the event is processed');
select is(
    (select c.company_id from public.calls as c, ev where c.retell_call_id = 'call_000000000000000000000000002'),
    1::bigint, 'and the call is its company''s'
);
select is((select pg_temp.repair(ev.parked) from ev), 'corrected: processed', 'so is what was parked');
select is(
    (select pg_temp.repair(ev.late) from ev), 'clean: the check no longer lists it', 'a second run finds nothing to do'
);

-- one that cannot be applied
select matches((select pg_temp.repair(ev.poison) from ev), '^review: invalid input syntax', 'the reason is said');
select is(
    (select e.attempt_count from trueup.webhook_events as e, ev where e.id = ev.poison),
    0, 'what the repair tried counts for nothing'
);
select is(
    (select jsonb_agg(p.processed) from generate_series(1, 1) as i, trueup.process_events(10) as p), '[1]'::jsonb,
    'it stops no other'
);
select is(
    (select (e.status, e.attempt_count)::text from trueup.webhook_events as e, ev where e.id = ev.poison),
    '(received,1)', 'and is tried again later'
);
select is_empty(
    $$
    select e.id
    from trueup.webhook_events as e, ev
    where e.id = ev.poison and e.next_attempt_at not between now() + interval '20 seconds' and now() + interval '2 minutes'
    $$, 'after a pause'
);
select set_eq(
    'select v.entity_id from trueup.event_unprocessed as v', 'select ev.poison from ev', 'it is still listed'
);

-- a person may put back what is dead
select is(
    (select array_agg(r) from ev, trueup.retry_events(array[ev.dead]) as r), (select array[ev.dead] from ev),
    'a dead event is received again'
);

select * from finish();
rollback;
