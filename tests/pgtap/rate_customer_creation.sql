-- rate_customer_creation: customers of a day that could not be created, by two kinds of evidence

begin;
select plan(8);

select factory.company(n) from generate_series(1, 7) as n;
select factory.behind_the_back(true);

-- customers that were created: 49 and one failure is 2 %, 48 and one is more
select factory.customer(id => co * 100 + n, company_id => co)
from (values (1, 48), (2, 49), (3, 18), (4, 48), (5, 48), (6, 48)) as t (co, created)
cross join lateral generate_series(1, t.created) as n;
update public.customers set created_at = now() - interval '23 hours';
-- company 6: nobody was waiting for these
update public.customers set source = 'backfill' where company_id = 6;

-- failed by the call: too many in 1, just not in 2, too few attempts in 3, too long ago in 4, deleted in 5
select factory.call(
    id => co, company_id => co, customer_link_status => 'failed',
    created_at => now() - case when co = 4 then interval '25 hours' else interval '1 hour' end,
    deleted_at => case when co = 5 then now() end
)
from generate_series(1, 6) as co;
set constraints all immediate;
select factory.behind_the_back(false);

select set_eq(
    'select entity_id from trueup.rate_customer_creation',
    array[1]::bigint[],
    'more than 2 % of at least 20 attempts of the day; no other company'
);
select is(
    (select v.evidence from trueup.rate_customer_creation as v where v.entity_id = 1),
    '{"attempts": 49, "failed": 1, "percent": 2.0}'::jsonb, 'the evidence has the numbers'
);

-- an application hands it to a person: the same call again is the same failure
select trueup.queue_review('customer_creation_failed', 'call', '2', 'no customer', '2');
select is_empty(
    'select 1 from trueup.rate_customer_creation as v where v.entity_id = 2',
    'near miss: a call that failed and was queued failed once'
);
select trueup.queue_review('customer_creation_failed', 'tool_call', 'x', 'no customer', '2');
select trueup.queue_review('customer_creation_failed', 'call', '8', 'no customer');
select trueup.queue_review('customer_creation_failed', 'call', '9', 'no customer', 'none of ours');
select trueup.queue_review('service_unknown', 'call', '4', 'no service', '4');
select set_eq(
    'select entity_id from trueup.rate_customer_creation',
    array[1, 2]::bigint[],
    'a queue item of that reason is evidence as well; one of no company or of another reason is none'
);
update trueup.manual_review_queue
set status = 'dismissed', decided_by = 'ann', decided_at = now()
where entity_id = 'x';
select ok(
    exists (select 1 from trueup.rate_customer_creation as v where v.entity_id = 2),
    'what a person has decided did fail'
);

update trueup.settings set value = '1' where name = 'rate_calls';
select set_eq(
    'select entity_id from trueup.rate_customer_creation',
    array[1, 2, 3, 6]::bigint[],
    'how many attempts is a setting; backfilled customers are none'
);

-- a customer is found after all
update trueup.settings set value = '0.05' where name = 'rate_customer_creation';
select set_eq(
    'select entity_id from trueup.rate_customer_creation',
    array[3, 6]::bigint[],
    'which share is a setting'
);
select factory.customer(id => 801, company_id => 3);
select factory.customer(id => 802, company_id => 6);
update public.calls set customer_id = case id when 3 then 801 else 802 end where id in (3, 6);
select is_empty('select 1 from trueup.rate_customer_creation', 'a call that got its customer has not failed');

select * from finish();
rollback;
