-- customer_duplicate: the check

begin;
select plan(4);

select factory.company(1);
select factory.company(2);
-- one number, written in two ways, and a third customer by the address
select factory.customer(id => 1, phone => '+49 170 / 000 0001', email => 'One@Example.com');
select factory.customer(id => 2, phone => '0049-170-0000001');
select factory.customer(id => 3, email => 'one@example.COM');
-- near misses: another company, deleted, nothing to compare, placeholders, too short, one customer twice over
select factory.customer(id => 11, company_id => 2, phone => '+491700000001', email => 'one@example.com');
select factory.customer(
    id => 12, phone => '+491700000001', email => 'one@example.com', deleted_at => '2025-10-21 09:00:00+00'
);
select factory.customer(id => 13);
select factory.customer(id => 14);
select factory.customer(id => 15, phone => '', email => '');
select factory.customer(id => 16, phone => '', email => '');
select factory.customer(id => 17, phone => 'anonymous', email => 'no-reply@example.com');
select factory.customer(id => 18, phone => 'anonymous', email => 'no-reply@example.com');
select factory.customer(id => 19, phone => 'anonymous_1761040800', email => 'x@y.invalid');
select factory.customer(id => 20, phone => 'anonymous_1761040800', email => 'x@y.invalid');
select factory.customer(id => 21, phone => '110');
select factory.customer(id => 22, phone => '110');
select factory.customer(id => 23, phone => '1761040800', email => trueup.withheld_email(1));
select factory.customer(id => 24, phone => '+491700000024', email => trueup.withheld_email(11));
select factory.customer(id => 25, phone => '+491700000025', email => 'one@example.co');

select set_eq(
    'select entity_id from trueup.customer_duplicate',
    array[1, 2, 3]::bigint[],
    'the check lists every customer of the group, and no other'
);
select is(
    v.evidence,
    '{"phone": "+4***01", "same_phone_ids": [2], "email": "On***om", "same_email_ids": [3]}',
    'each with the others, and nothing to read but ids'
)
from trueup.customer_duplicate as v
where v.entity_id = 1;
select is(
    v.evidence,
    '{"phone": "+4***01", "same_phone_ids": [1], "email": null, "same_email_ids": []}',
    'by what they have in common'
)
from trueup.customer_duplicate as v
where v.entity_id = any(array[2]);
update public.customers set deleted_at = '2025-10-21 09:00:00+00' where id = 1;
select is_empty('select entity_id from trueup.customer_duplicate', 'when one is gone, the other is single');

select * from finish();
rollback;
