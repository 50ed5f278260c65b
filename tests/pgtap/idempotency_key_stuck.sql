-- idempotency_key_stuck: the check; what hands over is trueup.begin_request and a person

begin;
select plan(9);

select factory.company(1);
insert into trueup.idempotency_keys
    (id, company_id, scope, key, parameters_hash, status, lease_expires_at, finished_at, is_retryable)
overriding system value
select
    n.id, n.company_id, 'booking', ('00000000-0000-0000-0000-0000000000' || n.id)::uuid, 'hash', n.status,
    now() + n.lease, case when n.status = 'finished' then now() end, n.is_retryable
from (
    values
    -- its runner died; it must be completed and is not; nobody knows; of no company, without a lease
    (11, 1, 'running', interval '-1 second', false),
    (12, 1, 'running', interval '-1 hour', true),
    (13, 1, 'unknown', interval '-1 hour', false),
    (14, null, 'running', null, false),
    -- near misses: under way; over, whatever came of it
    (21, 1, 'running', interval '1 minute', false),
    (22, 1, 'finished', interval '-1 hour', false),
    (23, 1, 'finished', interval '-1 hour', true)
) as n (id, company_id, status, lease, is_retryable);

select set_eq(
    'select entity_id from trueup.idempotency_key_stuck',
    array[11, 12, 13, 14]::bigint[],
    'the check lists what is unfinished past its lease, and no other'
);
select is(
    (select evidence - 'lease_expires_at' from trueup.idempotency_key_stuck where entity_id = 13),
    '{"scope": "booking", "key": "00000000-0000-0000-0000-000000000013", "attempt": 1, "status": "unknown"}',
    'the evidence names the request, and not what was requested'
);

select trueup.give_up_request(11, 'nobody said how it ended');
select is(
    (select q.severity || ' ' || q.entity_id from trueup.manual_review_queue as q where q.reason = 'idempotency_key_stuck'),
    'critical 11',
    'what is given up is handed to a person'
);
select set_eq(
    'select entity_id from trueup.idempotency_key_stuck', array[11, 12, 13, 14]::bigint[], 'and stays until it is settled'
);

select lives_ok($$select trueup.settle_request(11, 'success', '{"uid": "a"}')$$, 'a person settles');
select lives_ok($$select trueup.settle_request(12, 'retry')$$, 'or lets it be tried again');
select lives_ok(
    $$select trueup.settle_request(r.id, 'failure') from (values (13), (14)) as r (id)$$, 'or says that it failed'
);
select throws_ok(
    $$select trueup.settle_request(21, 'success')$$, 'TU204', 'request 21 is running', 'not what is under way'
);
select is_empty('select entity_id from trueup.idempotency_key_stuck', 'nothing is left');

select * from finish();
rollback;
