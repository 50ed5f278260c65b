-- writers: the rows that benchmarks/writers.py writes to; psql -v calls=20000
--
-- Into the empty tables of the host revision, with or without the layer. Calls 1 to `calls`
-- wait for their booking, as many again have one; nothing violates anything. Every tenth of
-- the rows belongs to one of ten companies, by id. The metadata of a call is what a telephone
-- provider sends: some 600 bytes.

insert into public.companies (id, name) overriding system value
select i, 'company ' || i from generate_series(1, 10) as i;

insert into public.branches (id, company_id, name) overriding system value
select i, i, 'branch ' || i from generate_series(1, 10) as i;

insert into public.phone_numbers (id, company_id, branch_id, number) overriding system value
select i, i, i, '+4930100000' || i from generate_series(1, 10) as i;

insert into public.services (id, company_id, name, duration_minutes, calcom_event_type_id) overriding system value
select i, i, 'service ' || i, 45, 700000 + i from generate_series(1, 10) as i;

insert into public.staff (id, company_id, branch_id, name) overriding system value
select i, 1 + (i - 1) % 10, 1 + (i - 1) % 10, 'staff ' || i from generate_series(1, 100) as i;

insert into public.customers (id, company_id, name, phone, email, source) overriding system value
select i, 1 + (i - 1) % 10, 'customer ' || i, '+4915' || lpad(i::text, 9, '0'), 'c' || i || '@example.com', 'retell'
from generate_series(1, 1000) as i;

insert into public.calls (
    id, company_id, branch_id, phone_number_id, retell_call_id, from_number, to_number, direction, call_type,
    status, started_at, ended_at, duration_ms, customer_id, customer_link_status, customer_link_method,
    customer_link_confidence, customer_linked_at, metadata, created_at
) overriding system value
select
    i,
    1 + i % 10,
    1 + i % 10,
    1 + i % 10,
    'call_' || lpad(to_hex(i), 27, '0'),
    '+4915' || lpad((1 + i % 1000)::text, 9, '0'),
    '+4930100000' || 1 + i % 10,
    'inbound',
    'phone_call',
    'ended',
    timestamptz '2025-01-01 08:00+00' + i * interval '90 seconds',
    timestamptz '2025-01-01 08:01+00' + i * interval '90 seconds',
    60000,
    1 + i % 1000,
    'linked',
    'phone_match',
    100,
    timestamptz '2025-01-01 08:00+00' + i * interval '90 seconds',
    jsonb_build_object('retell', jsonb_build_object(
        'call_type', 'phone_call',
        'agent_id', md5(i::text),
        'transcript', (select string_agg(md5(i || ' ' || g), ' ') from generate_series(1, 14) as g)
    )),
    timestamptz '2025-01-01 08:00+00' + i * interval '90 seconds'
from generate_series(1, 2 * :calls) as i;

insert into public.appointments (
    id, company_id, branch_id, customer_id, service_id, staff_id, call_id, starts_at, ends_at, status, source,
    sync_origin, calcom_booking_id, calcom_booking_uid, calcom_sync_status, idempotency_key, created_at
) overriding system value
select
    i,
    1 + i % 10,
    1 + i % 10,
    1 + i % 1000,
    1 + i % 10,
    1 + i % 100,
    i,
    timestamptz '2025-02-01 08:00+00' + i / 100 * interval '1 hour',
    timestamptz '2025-02-01 08:45+00' + i / 100 * interval '1 hour',
    'confirmed',
    'retell',
    'retell',
    i,
    'uid-' || i,
    'synced',
    md5('appointment ' || i)::uuid,
    timestamptz '2025-01-01 08:00+00' + i * interval '90 seconds'
from generate_series(:calls + 1, 2 * :calls) as i;

-- by hand, as an application does; where there is a layer it has been done
update public.calls as c
set
    appointment_made = true,
    appointment_id = c.id,
    appointment_link_status = 'linked',
    appointment_linked_at = c.started_at,
    session_outcome = 'appointment_booked',
    booking_confirmed = true,
    booking_id = 'uid-' || c.id
where c.id > :calls;

select
    setval('public.companies_id_seq', 10),
    setval('public.customers_id_seq', 1000),
    setval('public.calls_id_seq', 1000000),
    setval('public.appointments_id_seq', 2 * :calls);
