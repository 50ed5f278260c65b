-- customer_company_missing: the constraint, then the check, then the repair

begin;
select plan(20);

select factory.company(1);
select factory.company(2);

-- constraint
select throws_ok(
    'select factory.customer(id => 1, company_id => null)', '23514', null, 'a customer needs a company'
);
select lives_ok('select factory.customer(id => 1)', 'near miss: a customer with nothing but a company');
select throws_ok(
    'update public.customers set company_id = null where id = 1', '23514', null, 'and keeps one'
);

-- check
select factory.behind_the_back(true);
select factory.legacy(
    'customers_company_known', 'calls_company_id_customer_id_fkey', 'appointments_company_id_customer_id_fkey',
    'calls_company_known',
    'calls_company_exists'
);
select factory.customer(id => i, company_id => null) from generate_series(11, 19) as i;
update public.customers set deleted_at = '2025-10-21 09:00:00+00' where id = 12;
-- 11: calls and an appointment of company 1; 12: deleted, one deleted call of company 2
select factory.call(id => 11, customer_id => 11);
select factory.call(id => 12, customer_id => 11, deleted_at => '2025-10-21 09:00:00+00');
select factory.appointment(id => 11, customer_id => 11);
select factory.call(id => 13, company_id => 2, customer_id => 12, deleted_at => '2025-10-21 09:00:00+00');
-- 13: only an appointment, deleted; 14: calls of two companies; 15: call of one, appointment of another
select factory.appointment(
    id => 13, company_id => 2, customer_id => 13, deleted_at => '2025-10-21 09:00:00+00'
);
select factory.call(id => 14, customer_id => 14);
select factory.call(id => 15, company_id => 2, customer_id => 14, deleted_at => '2025-10-21 09:00:00+00');
select factory.call(id => 16, customer_id => 15);
select factory.appointment(id => 15, company_id => 2, customer_id => 15);
-- 16: unused; 17: a call without a company as well; 18: only that; 19: a company that does not exist
select factory.call(id => 17, customer_id => 17);
select factory.call(id => 18, customer_id => 17, company_id => null);
select factory.call(id => 19, customer_id => 18, company_id => null);
select factory.call(id => 20, customer_id => 19, company_id => 99);
set constraints all immediate;
select factory.behind_the_back(false);

select set_eq(
    'select entity_id from trueup.customer_company_missing',
    array[11, 12, 13, 14, 15, 16, 17, 18, 19]::bigint[],
    'the check lists the customers without a company, deleted ones too, and no other'
);
select is(
    v.evidence, '{"companies": [{"calls": 2, "company_id": 1, "appointments": 1}]}',
    'with what tells the company'
)
from trueup.customer_company_missing as v
where v.entity_id = 11;
select is_empty(
    'select entity_id from trueup.tenant_mismatch where entity_type = ''call'' and entity_id in (11, 14)',
    'near miss: the calls of such a customer are not at fault'
);

-- repair
create temporary table before as
select to_jsonb(k) as row_was from public.customers as k where k.id between 14 and 19;
select is((trueup.repair_customer_company_missing(11)).outcome, 'corrected', 'all of one company');
select is((trueup.repair_customer_company_missing(12)).outcome, 'corrected', 'deleted, and so is its call');
select is(
    trueup.repair_customer_company_missing(13),
    row(
        'corrected', 'the company of all its calls and appointments',
        '[{"calls": 0, "company_id": 2, "appointments": 1}]'::jsonb
    )::trueup.repair_outcome,
    'an appointment is enough; the evidence says what there was'
);
select results_eq(
    'select company_id from public.customers where id in (11, 12, 13) order by id',
    'values (1::bigint), (2), (2)',
    'each belongs to its company'
);
select is(
    (trueup.repair_customer_company_missing(14)).reason, 'calls and appointments belong to several companies',
    'a deleted call counts'
);
select is(
    (trueup.repair_customer_company_missing(15)).outcome, 'review',
    'so does an appointment of another company'
);
select is(
    (trueup.repair_customer_company_missing(16)).reason, 'no call and no appointment tells the company',
    'unused'
);
select set_eq(
    $$
    select i || ' ' || (trueup.repair_customer_company_missing(i)).reason from generate_series(17, 19) as i
    $$,
    array[
        '17 calls and appointments belong to several companies',
        '18 calls and appointments belong to no company either',
        '19 calls and appointments belong to no company either'
    ],
    'a call without a company is a doubt'
);
select set_eq(
    'select to_jsonb(k) from public.customers as k where k.id between 14 and 19',
    'select row_was from before',
    'none of those was changed'
);
select set_eq(
    'select entity_id from trueup.customer_company_missing',
    array[14, 15, 16, 17, 18, 19]::bigint[],
    'and all of them are still reported'
);

-- undo: the calls refer to the key that the repair corrected
set constraints all immediate;
select factory.behind_the_back(true);
select factory.customer(id => 21, company_id => null);
select factory.call(id => 21, customer_id => 21);
do $$
begin
    execute (
        select format('alter table public.calls add constraint %I foreign key %s not valid', ct.name, ct.definition)
        from trueup.constraints as ct
        where ct.name = 'calls_company_id_customer_id_fkey'
    );
end;
$$;
select factory.behind_the_back(false);
create temporary table applied as
select r.* from trueup.apply_repair('customer_company_missing', 'customer', '21') as r;
select is((select a.outcome from applied as a), 'corrected', 'repaired by the engine');
select set_eq(
    'select u.constraints_loosened from applied as a cross join trueup.undo_repair(a.repair_id) as u',
    $$values ('{calls_company_id_customer_id_fkey}'::text[])$$,
    'the repair can be undone; the foreign key is not valid, as before'
);
select is(
    (select k.company_id from public.customers as k where k.id = 21), null, 'the customer is as it was'
);
select throws_ok(
    'select factory.call(id => 22, customer_id => 21)', '23503', null, 'and the foreign key still refuses new rows'
);

select * from finish();
rollback;
