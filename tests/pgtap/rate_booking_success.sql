-- rate_booking_success: twenty confirmed calls of a day, and the share of them with an appointment

begin;
select plan(9);

select factory.company(n) from generate_series(1, 6) as n;
select factory.behind_the_back(true);

-- company 1: 18 of 20; company 2: 19 of 20; company 3: 0 of 19; company 4: 0 of 20, long ago;
-- company 5: 18 of 20, cancelled; company 6: 20 of 22, of which two are deleted
select factory.call(
    id => co * 100 + n, company_id => co, booking_confirmed => true,
    created_at => now() - case when co = 4 then interval '25 hours' else interval '23 hours' end,
    deleted_at => case when co = 6 and n > 20 then now() end
)
from (values (1, 20), (2, 20), (3, 19), (4, 20), (5, 20), (6, 22)) as t (co, calls)
cross join lateral generate_series(1, t.calls) as n;
select factory.appointment(
    id => co * 100 + n, company_id => co, call_id => co * 100 + n,
    status => case when co = 5 then 'cancelled' else 'confirmed' end,
    cancelled_at => case when co = 5 then now() end
)
from (values (1, 18), (2, 19), (5, 18), (6, 20)) as t (co, booked)
cross join lateral generate_series(1, t.booked) as n;
-- no booking was confirmed: these have no share in it
select factory.call(id => 1000 + n, company_id => 2, created_at => now()) from generate_series(1, 50) as n;
set constraints all immediate;
select factory.behind_the_back(false);

select set_eq(
    'select entity_id from trueup.rate_booking_success',
    array[1, 5]::bigint[],
    'the two with 18 of 20; neither 19 of 20, nor 19 calls, nor those of yesterday, nor deleted ones'
);
select is(
    (select v.evidence from trueup.rate_booking_success as v where v.entity_id = 1),
    '{"confirmed": 20, "with_appointment": 18, "percent": 90.0}'::jsonb, 'the evidence has the numbers'
);
select is(
    (select v.entity_type || ' ' || v.company_id from trueup.rate_booking_success as v where v.entity_id = 1),
    'company 1', 'the entity is the company'
);

-- a deleted appointment is none
update public.appointments set deleted_at = now() where id in (219);
select ok(
    exists (select 1 from trueup.rate_booking_success as v where v.entity_id = 2),
    'an appointment that was deleted does not count'
);

update trueup.settings set value = '19' where name = 'rate_calls';
select ok(
    exists (select 1 from trueup.rate_booking_success as v where v.entity_id = 3),
    'how many calls is a setting'
);
update trueup.settings set value = '0.9' where name = 'rate_booking_success';
select set_eq(
    'select entity_id from trueup.rate_booking_success', array[3]::bigint[], 'which share is a setting'
);
update trueup.settings set value = '26 hours' where name = 'rate_window';
select set_eq(
    'select entity_id from trueup.rate_booking_success', array[3, 4]::bigint[], 'how far back is a setting'
);

-- the appointments are made up for
select factory.appointment(id => c.id, company_id => c.company_id, call_id => c.id)
from public.calls as c
where c.company_id in (3, 4) and c.booking_confirmed;
select is_empty('select 1 from trueup.rate_booking_success', 'with their appointments it is silent');
select is(
    (select ch.severity from trueup.checks as ch where ch.name = 'rate_booking_success'),
    'critical', 'the catalogue holds it'
);

select * from finish();
rollback;
