-- customer_unreachable: the check

begin;
select plan(5);

select factory.legacy('customers_company_known', 'appointments_company_id_customer_id_fkey');
select factory.company(1);
select factory.customer(id => 1);
select factory.customer(id => 2, phone => 'anonymous', email => 'nobody');
select factory.customer(id => 3, email => trueup.withheld_email(3));
-- near misses: a number, an address, past, cancelled, deleted appointment, nothing booked, deleted customer
select factory.customer(id => 11, phone => '+491700000011', email => 'nobody');
select factory.customer(id => 12, phone => 'anonymous', email => 'k12@example.com');
select factory.customer(id => i) from generate_series(13, 16) as i;
select factory.customer(id => 17, deleted_at => '2025-10-21 09:00:00+00');

select factory.appointment(id => i, customer_id => i, starts_at => now() + interval '1 day')
from unnest(array[1, 2, 3, 11, 12, 17]) as i;
select factory.appointment(id => 101, customer_id => 1, starts_at => now() - interval '1 day');
select factory.appointment(id => 13, customer_id => 13, starts_at => now() - interval '1 minute');
select factory.appointment(
    id => 14, customer_id => 14, starts_at => now() + interval '1 day', status => 'cancelled',
    cancelled_at => now()
);
select factory.appointment(
    id => 15, customer_id => 15, starts_at => now() + interval '1 day', deleted_at => now()
);

select set_eq(
    'select entity_id from trueup.customer_unreachable',
    array[1, 2, 3]::bigint[],
    'the check lists the customers nobody can reach, placeholders included, and no other'
);
select is(
    v.evidence, '{"last_appointment_id": 1, "phone": null, "email": null}', 'with the last appointment ahead'
)
from trueup.customer_unreachable as v
where v.entity_id = 1;
update public.customers set email = 'k1@example.com' where id = 1;
select set_eq(
    'select entity_id from trueup.customer_unreachable', array[2, 3]::bigint[], 'an address is enough'
);

-- a legacy customer without a company: the repair that finds it one must not seem to cause this
select factory.customer(id => 4, company_id => null);
select factory.appointment(id => 4, customer_id => 4, starts_at => now() + interval '1 day');
select is(
    (trueup.apply_repair('customer_company_missing', 'customer', '4')).outcome, 'corrected', 'the company is found'
);
select set_eq(
    'select entity_id, company_id from trueup.customer_unreachable where entity_id = 4',
    'values (4::bigint, 1::bigint)',
    'and nobody can reach the customer, as before'
);

select * from finish();
rollback;
