-- review_overdue: late items one by one, and the queue as one

begin;
select plan(10);

select trueup.queue_review('test_reason', 'call', n::text, 'look at it') from generate_series(1, 6) as n;
update trueup.manual_review_queue set due_at = now() - interval '1 minute' where entity_id in ('1', '2', '3', '4');
update trueup.manual_review_queue set snoozed_until = now() + interval '1 hour' where entity_id = '2';
update trueup.manual_review_queue set snoozed_until = now() - interval '1 second' where entity_id = '3';
select trueup.claim_review('ann', (select q.id from trueup.manual_review_queue as q where q.entity_id = '1'));
select trueup.dismiss_review(q.id, q.claim_token, 'fine as it is')
from trueup.claim_review('bob', (select q.id from trueup.manual_review_queue as q where q.entity_id = '4')) as q;

select set_eq(
    'select v.evidence ->> ''entity_id'' from trueup.review_overdue as v',
    array['1', '3'],
    'late items are listed, also one in somebody''s hands and one whose snooze has ended; no snoozed or decided one'
);
select is(
    (
        select count(*)::int
        from trueup.review_overdue as v
        inner join trueup.manual_review_queue as q on v.entity_id = q.id
        where v.entity_type = 'review_item'
    ),
    2, 'an item is known by its id'
);
select is_empty(
    'select 1 from trueup.review_overdue as v where v.entity_type = ''review_queue''',
    'near miss: five open items are not too many'
);

-- five open and one snoozed so far; up to the limit of ten is no violation
select trueup.queue_review('test_reason', 'call', n::text, 'look at it') from generate_series(11, 16) as n;
select is(
    (
        select count(*)::int
        from trueup.manual_review_queue as q
        where q.status in ('pending', 'in_progress') and (q.snoozed_until is null or q.snoozed_until < now())
    ),
    10, 'ten items are open'
);
select is_empty(
    'select 1 from trueup.review_overdue as v where v.entity_type = ''review_queue''',
    'near miss: the queue may hold ten'
);
select trueup.queue_review('test_reason', 'call', '17', 'look at it');
select results_eq(
    $$select v.entity_id, v.evidence from trueup.review_overdue as v where v.entity_type = 'review_queue'$$,
    $$values (0::bigint, '{"open": 11, "limit": 10}'::jsonb)$$,
    'the eleventh is too many, and is one violation'
);
select is(
    (select count(*) - count(distinct (v.entity_type, v.entity_id)) from trueup.review_overdue as v),
    0::bigint, 'one row per entity'
);
update trueup.settings set value = '20' where name = 'review_queue_limit';
select is_empty(
    'select 1 from trueup.review_overdue as v where v.entity_type = ''review_queue''',
    'the limit is a setting'
);

-- snoozing is a decision too
update trueup.manual_review_queue set snoozed_until = now() + interval '1 hour' where due_at < now();
select is_empty('select 1 from trueup.review_overdue', 'a snoozed item is not late');
select is(
    (select ch.severity from trueup.checks as ch where ch.name = 'review_overdue'),
    'warning', 'the catalogue holds it'
);

select * from finish();
rollback;
