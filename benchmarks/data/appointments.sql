-- The appointments of the calls. psql -v calls=N -v companies=N
--
-- Appointment i is the one of call i; what calls.sql says of faults holds here, too. Each
-- member of staff has an appointment every four hours and a half, 45 minutes long.

truncate public.appointments cascade;

insert into public.appointments (
    id, company_id, customer_id, service_id, staff_id, call_id, starts_at, ends_at, status, source,
    sync_origin, calcom_booking_id, calcom_booking_uid, calcom_sync_status, idempotency_key, created_at,
    updated_at
) overriding system value
select
    m.i,
    m.company_id,
    m.customer_id,
    case when m.fault = 9 then 1 + m.company_id % :companies else m.company_id end,
    m.staff_id,
    m.i,
    m.starts_at,
    m.starts_at + interval '45 minutes',
    'completed',
    'retell',
    'retell',
    m.i,
    'uid-' || case when m.fault = 11 then m.other_id else m.i end,
    'synced',
    md5('appointment ' || m.i)::uuid,
    m.started_at,
    m.started_at
from (
    select
        s.i,
        s.n as company_id,
        s.fault,
        1 + (s.j % 2000) * :companies + s.n - 1 as customer_id,
        5 * (s.n - 1) + s.j % 5 + 1 as staff_id,
        s.n + :companies * (s.j + case when s.j < 10 then 10 - s.k when s.k = 0 then -4 else -s.k end) as other_id,
        t.started_at,
        t.started_at + interval '3 days' + case
            -- into the next appointment of the same person, a quarter of an hour before it starts
            when s.fault = 10
                then :companies * case when (s.k + 5) % 10 < 7 then 5 else 10 end
                    * (interval '31536000 seconds' / :calls) - interval '15 minutes'
            else interval '0'
        end as starts_at
    from (
        select
            i,
            1 + (i - 1) % :companies as n,
            (i - 1) / :companies as j,
            ((i - 1) / :companies + (i - 1) % :companies) % 10 as k,
            case when i % 1001 = 0 then (i / 1001) % 12 else -1 end as fault
        from generate_series(1, :calls) as i
    ) as s
    cross join lateral (
        select
            timestamptz '2024-01-01 00:00+00' + (s.i - 1) * (interval '31536000 seconds' / :calls) as started_at
    ) as t
    where (s.k < 7 and s.fault = -1) or s.fault > 2
) as m;

select setval('public.appointments_id_seq', :calls);
