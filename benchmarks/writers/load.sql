-- :rows linked appointments in one statement; the layer sets the flags
\set first :n + 1
\set n :n + :rows
begin;
insert into public.appointments (
    company_id, branch_id, customer_id, service_id, staff_id, call_id, starts_at, ends_at, status, source,
    sync_origin, calcom_booking_id, calcom_booking_uid, calcom_sync_status, idempotency_key
)
select
    1 + i % 10, 1 + i % 10, 1 + i % 1000, 1 + i % 10, 1 + i % 100, i,
    timestamptz '2045-01-01 08:00+00' + i / 100 * interval '1 hour',
    timestamptz '2045-01-01 08:45+00' + i / 100 * interval '1 hour',
    'confirmed', 'retell', 'retell', i, 'uid-' || i, 'synced', md5('appointment ' || i)::uuid
from generate_series(:first::integer, :n) as i;
commit;
