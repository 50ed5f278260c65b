-- customer_deleted_but_linked: the check

begin;
select plan(3);

select factory.company(1);
select factory.customer(id => i, deleted_at => '2025-10-21 09:00:00+00') from generate_series(1, 5) as i;
select factory.customer(id => 6);
-- ahead; past, cancelled, deleted, nothing; and a customer who is not deleted
select factory.appointment(id => 1, customer_id => 1, starts_at => now() + interval '1 day');
select factory.appointment(id => 2, customer_id => 2, starts_at => now() - interval '1 minute');
select factory.appointment(
    id => 3, customer_id => 3, starts_at => now() + interval '1 day', status => 'cancelled',
    cancelled_at => now()
);
select factory.appointment(
    id => 4, customer_id => 4, starts_at => now() + interval '1 day', deleted_at => now()
);
select factory.appointment(id => 6, customer_id => 6, starts_at => now() + interval '1 day');

select set_eq(
    'select entity_id from trueup.customer_deleted_but_linked',
    array[1]::bigint[],
    'the check lists the deleted customer who is expected, and no other'
);
select is(v.evidence, '{"last_appointment_id": 1}', 'with the last appointment ahead')
from trueup.customer_deleted_but_linked as v;
update public.customers set deleted_at = null where id = 1;
select is_empty('select entity_id from trueup.customer_deleted_but_linked', 'taken back, all is well');

select * from finish();
rollback;
