-- Companies, their lines, services, staff and customers. psql -v calls=N -v companies=N
--
-- A company has 10,000 calls a year, five people, and 2,000 customers. A larger database has
-- more companies, not larger ones.

truncate public.companies, public.phone_numbers, public.services, public.staff, public.customers cascade;

insert into public.companies (id, name) overriding system value
select i, 'company ' || i from generate_series(1, :companies) as i;

insert into public.phone_numbers (id, company_id, number) overriding system value
select i, i, '+4930' || lpad(i::text, 8, '0') from generate_series(1, :companies) as i;

insert into public.services (id, company_id, name, duration_minutes, calcom_event_type_id) overriding system value
select i, i, 'service ' || i, 45, 700000 + i from generate_series(1, :companies) as i;

-- person p of company n is 5 * (n - 1) + p + 1
insert into public.staff (id, company_id, name) overriding system value
select i, 1 + (i - 1) / 5, 'staff ' || i from generate_series(1, 5 * :companies) as i;

insert into public.customers (id, company_id, name, phone, email, created_at, updated_at) overriding system value
select
    i,
    1 + (i - 1) % :companies,
    'customer ' || i,
    '+4915' || lpad(i::text, 9, '0'),
    'c' || i || '@example.com',
    timestamptz '2024-01-01 00:00+00',
    timestamptz '2024-01-01 00:00+00'
from generate_series(1, :calls / 5) as i;

select
    setval('public.companies_id_seq', :companies),
    setval('public.phone_numbers_id_seq', :companies),
    setval('public.services_id_seq', :companies),
    setval('public.staff_id_seq', 5 * :companies),
    setval('public.customers_id_seq', :calls / 5);
