-- The calls of a year, in order. psql -v calls=N -v companies=N
--
-- Call i is number j of its company. Of ten calls seven are booked and nine linked to a
-- customer, by k: of those of a company one after the other, and of those made at one time, so
-- that in a database of any size the newest are of all kinds. Every 1,001st call is at fault, in
-- one of twelve ways; one check finds each:
--     0  flagged as made      no appointment      6  no direction
--     1  confirmed            no appointment      7  linked, how surely is not known
--     2  outcome booked       no appointment      8  linked, without a customer
--     3  an appointment, but not flagged          9  the service is another company's
--     4  an appointment, but not named           10  overlaps the next of the same person
--     5  names the appointment of another call   11  has the booking of another appointment
-- A fault is -1 where there is none.

truncate public.calls;

insert into public.calls (
    id, company_id, phone_number_id, retell_call_id, from_number, to_number, direction, call_type, status,
    started_at, ended_at, duration_ms, customer_id, customer_link_status, customer_link_method,
    customer_link_confidence, customer_linked_at, session_outcome, appointment_made, appointment_id,
    appointment_link_status, appointment_linked_at, booking_confirmed, booking_id, booking_details,
    created_at, updated_at
) overriding system value
select
    m.i,
    m.company_id,
    m.company_id,
    'call_' || lpad(to_hex(m.i), 27, '0'),
    '+4915' || lpad(m.customer_id::text, 9, '0'),
    '+4930' || lpad(m.company_id::text, 8, '0'),
    case when m.fault <> 6 then 'inbound' end,
    'phone_call',
    'ended',
    m.started_at,
    m.started_at + interval '61 seconds',
    61000,
    case when m.is_linked and m.fault <> 8 then m.customer_id end,
    case when m.is_linked then 'linked' else 'unlinked' end,
    case when m.is_linked then 'phone_match' end,
    case when m.is_linked and m.fault <> 7 then 100 end,
    case when m.is_linked then m.started_at end,
    case
        when m.fault = 0 then 'appointment_rescheduled'
        when m.is_booked and m.fault not in (1, 3) then 'appointment_booked'
        else 'information_only'
    end,
    m.is_booked and m.fault not in (1, 2, 3),
    case
        when m.fault = 5 then m.other_id
        when m.is_booked and m.fault not in (0, 1, 2, 4) then m.i
    end,
    case when m.is_booked and m.fault not in (0, 1, 2) then 'linked' else 'unlinked' end,
    case when m.is_booked and m.fault not in (0, 1, 2) then m.started_at end,
    m.is_booked and m.fault not in (0, 2),
    case when m.is_booked and m.fault not in (0, 2) then 'uid-' || m.i end,
    case when m.is_booked and m.fault not in (0, 2) then format(
        '{"confirmed_at": "%1$s", "calcom_booking": {"id": %2$s, "uid": "uid-%2$s", "eventTypeId": %3$s, '
        '"start": "%4$s", "end": "%5$s", "status": "accepted"}}',
        m.started_at, m.i, 700000 + m.company_id,
        m.started_at + interval '3 days', m.started_at + interval '3 days 45 minutes'
    )::jsonb end,
    m.started_at,
    m.started_at
from (
    select
        s.i,
        s.n as company_id,
        s.fault,
        1 + (s.j % 2000) * :companies + s.n - 1 as customer_id,
        s.k < 7 or s.fault >= 0 as is_booked,
        s.k <> 9 or s.fault >= 0 as is_linked,
        -- another booked call of the company
        s.n + :companies * (s.j + case when s.j < 10 then 10 - s.k when s.k = 0 then -4 else -s.k end) as other_id,
        timestamptz '2024-01-01 00:00+00' + (s.i - 1) * (interval '31536000 seconds' / :calls) as started_at
    from (
        select
            i,
            1 + (i - 1) % :companies as n,
            (i - 1) / :companies as j,
            ((i - 1) / :companies + (i - 1) % :companies) % 10 as k,
            case when i % 1001 = 0 then (i / 1001) % 12 else -1 end as fault
        from generate_series(1, :calls) as i
    ) as s
) as m;

select setval('public.calls_id_seq', :calls);
