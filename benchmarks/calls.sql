-- A legacy booking database of any size, deterministic: psql -v calls=200000 -v faults=0.01
--
-- Fills the empty tables of the host revision. 70 % of the calls have an appointment,
-- 90 % a customer; the share `faults` of all calls is broken in one of eight ways, in turn.
-- Run before adoption, so that nothing of ours interferes.

insert into public.companies (id, name) overriding system value
select i, 'company ' || i from generate_series(1, 10) as i;

insert into public.phone_numbers (id, company_id, number) overriding system value
select i, i, '+4930100000' || i from generate_series(1, 10) as i;

insert into public.services (id, company_id, name, duration_minutes, calcom_event_type_id) overriding system value
select i, i, 'service ' || i, 30, 700000 + i from generate_series(1, 10) as i;

insert into public.staff (id, company_id, name) overriding system value
select i, 1 + i % 10, 'staff ' || i from generate_series(1, 100) as i;

-- customer i belongs to company 1 + i % 10
insert into public.customers (id, company_id, name, phone, email) overriding system value
select
    i, 1 + i % 10, 'customer ' || i, '+4915' || lpad(i::text, 9, '0'), 'c' || i || '@example.com'
from generate_series(1, :calls / 5) as i;

with made as (
    select
        i,
        1 + i % 10 as company_id,
        -- customers of the call's own company: the same remainder
        (i % 10) + 10 * ((i / 10) % (:calls / 50 - 1)) + 10 as customer_id,
        i % 10 < 7 as is_booked,
        i % 10 <> 9 as is_linked,
        -- faults are spread evenly, and each kind is as frequent as any other
        case when i % round(1 / :faults)::integer = 0 then (i / round(1 / :faults)::integer) % 8 end as fault,
        timestamptz '2025-01-01 08:00+00' + i * interval '90 seconds' as started_at
    from generate_series(1, :calls) as i
)

insert into public.calls (
    id, company_id, retell_call_id, from_number, to_number, direction, call_type, status, started_at,
    ended_at, duration_ms, customer_id, customer_link_status, customer_link_method,
    customer_link_confidence, customer_linked_at, session_outcome, appointment_made, appointment_id,
    appointment_link_status, appointment_linked_at, booking_confirmed, booking_id, booking_details,
    metadata, created_at
) overriding system value
select
    m.i,
    m.company_id,
    'call_' || lpad(to_hex(m.i), 27, '0'),
    '+4915' || lpad(m.customer_id::text, 9, '0'),
    '+4930100000' || m.company_id,
    case when m.fault is distinct from 0 then 'inbound' end,
    'phone_call',
    case when m.fault = 1 then 'completed' else 'ended' end,
    m.started_at,
    m.started_at + interval '61 seconds',
    61000,
    case when m.is_linked then m.customer_id end,
    case when m.is_linked then 'linked' when m.fault = 2 then 'anonymous' else 'unlinked' end,
    case when m.is_linked then 'phone_match' end,
    case when m.is_linked and m.fault is distinct from 3 then 100 end,
    case when m.is_linked then m.started_at end,
    case when m.is_booked or m.fault = 4 then 'appointment_booked' else 'information_only' end,
    m.is_booked and m.fault is distinct from 5,
    case when m.is_booked and m.fault is distinct from 6 then m.i end,
    case when m.is_booked then 'linked' else 'unlinked' end,
    case when m.is_booked then m.started_at end,
    m.is_booked,
    case when m.is_booked then 'uid-' || m.i end,
    case when m.is_booked then jsonb_build_object(
        'confirmed_at', m.started_at,
        'calcom_booking', jsonb_build_object(
            'id', m.i, 'uid', 'uid-' || m.i, 'eventTypeId', 700000 + m.company_id,
            'start', to_char(m.started_at + interval '3 days', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
            'end', to_char(m.started_at + interval '3 days 1 minute', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
            'status', 'accepted', 'attendees', '[]'::jsonb, 'metadata', '{}'::jsonb
        )
    ) end,
    '{}',
    m.started_at
from made as m;

-- fault 7: a confirmed booking without its appointment
insert into public.appointments (
    id, company_id, customer_id, service_id, staff_id, call_id, starts_at, ends_at, status, source,
    sync_origin, calcom_booking_id, calcom_booking_uid, calcom_sync_status, idempotency_key, created_at
) overriding system value
select
    c.id,
    c.company_id,
    c.customer_id,
    c.company_id,
    (c.company_id + 8) % 10 + 1 + 10 * ((c.id / 10) % 10),
    c.id,
    c.started_at + interval '3 days',
    c.started_at + interval '3 days 1 minute',
    'completed',
    'retell',
    'retell',
    c.id,
    'uid-' || c.id,
    'synced',
    md5('appointment ' || c.id)::uuid,
    c.started_at
from public.calls as c
where
    c.id % 10 < 7
    and not (c.id % round(1 / :faults)::integer = 0 and (c.id / round(1 / :faults)::integer) % 8 = 7);

select
    setval('public.companies_id_seq', 10),
    setval('public.customers_id_seq', :calls / 5),
    setval('public.calls_id_seq', :calls),
    setval('public.appointments_id_seq', :calls);

analyze;
