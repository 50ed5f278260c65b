-- tenant_mismatch: every constraint, then the check

begin;
select plan(52);

select factory.company(1);
select factory.company(2);
select factory.branch(i, i) from generate_series(1, 2) as i;
select factory.staff(i, i) from generate_series(1, 2) as i;
select factory.service(i, i) from generate_series(1, 2) as i;
select factory.phone_number(i, '+49300000000' || i, i) from generate_series(1, 2) as i;
select factory.customer(i, i) from generate_series(1, 2) as i;
select factory.call(i, i) from generate_series(1, 2) as i;
select factory.appointment(i, i) from generate_series(1, 2) as i;
select factory.modification(i, i, company_id => i) from generate_series(1, 2) as i;
set constraints all immediate;

-- constraints: a reference into the other company, and one to a row that does not exist
create temporary table reference (table_name text, column_name text);
insert into reference values
('calls', 'customer_id'),
('calls', 'appointment_id'),
('calls', 'branch_id'),
('calls', 'phone_number_id'),
('appointments', 'call_id'),
('appointments', 'customer_id'),
('appointments', 'service_id'),
('appointments', 'staff_id'),
('appointments', 'branch_id'),
('appointment_modifications', 'appointment_id'),
('appointment_modifications', 'call_id'),
('staff', 'branch_id'),
('phone_numbers', 'branch_id');

select throws_ok(
    format('update public.%I set %I = 2 where id = 1', r.table_name, r.column_name),
    '23503', null, format('%s.%s may not lead into another company', r.table_name, r.column_name)
)
from reference as r;
select throws_ok(
    format('update public.%I set %I = 77 where id = 1', r.table_name, r.column_name),
    '23503', null, format('%s.%s may not lead nowhere', r.table_name, r.column_name)
)
from reference as r;
select throws_ok(
    format('update public.%I set company_id = null where id = 2', t.name), '23514', null,
    format('%s need a company', t.name)
)
from unnest(array[
    'calls', 'appointments', 'appointment_modifications', 'staff', 'phone_numbers', 'branches', 'services'
]) as t (name);
select throws_ok(
    format('update public.%I set company_id = 77 where id = 2', t.name), '23503', null,
    format('%s need one that exists', t.name)
)
from unnest(array[
    'calls', 'appointments', 'appointment_modifications', 'staff', 'phone_numbers', 'branches', 'services',
    'customers'
]) as t (name);
select lives_ok(
    $$
    update public.calls set customer_id = 1, branch_id = 1, phone_number_id = 1 where id = 1;
    update public.appointments set customer_id = 1, service_id = 1, staff_id = 1, branch_id = 1 where id = 1;
    update public.appointment_modifications set call_id = 1 where id = 1;
    update public.staff set branch_id = 1 where id = 1;
    update public.phone_numbers set branch_id = 1 where id = 1
    $$,
    'near miss: references inside the company'
);
select is_empty('select * from trueup.tenant_mismatch', 'all is well so far');

-- check: every reference of the rows with id 11 leads into company 2, of those with id 12 nowhere
select factory.behind_the_back(true);
select factory.legacy(variadic (
    select array_agg(ct.name)
    from trueup.constraints as ct
    where ct.check_name in ('tenant_mismatch', 'customer_company_missing')
));
select factory.branch(11, null);
select factory.branch(12, 77);
select factory.service(11, null);
select factory.service(12, 77);
select factory.staff(11, 1, 2);
select factory.staff(12, 1, 77);
select factory.staff(13, null, 2);
select factory.customer(11, null);
select factory.customer(12, 77);
insert into public.phone_numbers (id, company_id, branch_id, number) overriding system value
values (11, 1, 2, '+4930000000011'), (12, 1, 77, '+4930000000012'), (13, null, null, '+4930000000013');
select factory.call(11, customer_id => 2, appointment_id => 2, phone_number_id => 2);
select factory.call(12, customer_id => 77, phone_number_id => 77);
update public.calls set branch_id = case id when 11 then 2 else 77 end where id in (11, 12);
select factory.call(13, company_id => null, customer_id => 2);
select factory.call(14, deleted_at => '2025-10-21 09:00:00+00', customer_id => 2);
select factory.appointment(11, call_id => 2, customer_id => 2, service_id => 2, staff_id => 2);
select factory.appointment(12, call_id => 77, customer_id => 77, service_id => 77, staff_id => 77);
update public.appointments set branch_id = case id when 11 then 2 else 77 end where id in (11, 12);
select factory.modification(11, 2, call_id => 2);
select factory.modification(12, 77, call_id => 77);
select factory.modification(13, 2, company_id => null);
-- near misses: appointment_id that leads nowhere, and references to rows without a company
select factory.call(21, appointment_id => 77);
select factory.call(22, customer_id => 11);
update public.calls set branch_id = 11, phone_number_id = 13 where id = 22;
select factory.appointment(22, customer_id => 11, service_id => 11, staff_id => 13);
select factory.behind_the_back(false);

select set_eq(
    'select entity_type || '' '' || entity_id from trueup.tenant_mismatch',
    array[
        'branch 11', 'branch 12', 'service 11', 'service 12', 'staff 11', 'staff 12', 'staff 13',
        'customer 12',
        'phone_number 11', 'phone_number 12', 'phone_number 13', 'call 11', 'call 12', 'call 13', 'call 14',
        'appointment 11', 'appointment 12', 'modification 11', 'modification 12', 'modification 13'
    ],
    'the check lists every row at fault, deleted ones too, and no other'
);
select is(
    (select count(*) from trueup.tenant_mismatch),
    (select count(distinct (entity_type, entity_id)) from trueup.tenant_mismatch),
    'each once'
);
select is(
    v.evidence,
    '{"customer_id": {"id": 2, "company_id": 2}, "appointment_id": {"id": 2, "company_id": 2},
    "branch_id": {"id": 2, "company_id": 2}, "phone_number_id": {"id": 2, "company_id": 2}}',
    'the evidence lists every column of a call'
)
from trueup.tenant_mismatch as v
where v.entity_type = 'call' and v.entity_id = 11;
select is(
    v.evidence,
    '{"call_id": {"id": 77, "exists": false}, "customer_id": {"id": 77, "exists": false},
    "service_id": {"id": 77, "exists": false}, "staff_id": {"id": 77, "exists": false},
    "branch_id": {"id": 77, "exists": false}}',
    'and of an appointment'
)
from trueup.tenant_mismatch as v
where v.entity_type = 'appointment' and v.entity_id = 12;
select is(
    v.evidence, '{"company_id": {"missing": true}}', 'a row without a company has that fault only'
)
from trueup.tenant_mismatch as v
where v.entity_type = 'call' and v.entity_id = 13;
select is(
    v.evidence, '{"company_id": {"id": 77, "exists": false}}', 'a company that does not exist'
)
from trueup.tenant_mismatch as v
where v.entity_type = 'customer';
select is(
    v.company_id, 1::bigint, 'the alert goes to the company of the row'
)
from trueup.tenant_mismatch as v
where v.entity_type = 'staff' and v.entity_id = any(array[11]);
select is(
    (select ch.repair from trueup.checks as ch where ch.name = 'tenant_mismatch'), 'review',
    'nothing is moved'
);

-- one entity costs its own probes
set local enable_seqscan = off;
create temporary table plan_lines (line text);
do $$
declare
    r record;
begin
    for r in
        explain (costs off)
        select * from trueup.tenant_mismatch where entity_type = 'call' and entity_id = any(array[11, 12])
    loop
        insert into plan_lines values (r."QUERY PLAN");
    end loop;
end;
$$;
select is_empty(
    'select line from plan_lines where line like ''%Seq Scan%'' or line like ''%Full Scan%''',
    'no table is scanned for two calls'
);

select * from finish();
rollback;
