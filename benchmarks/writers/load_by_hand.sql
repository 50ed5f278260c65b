-- :rows linked appointments in one statement; the application sets the flags in another
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
update public.calls as c
set
    appointment_made = true,
    appointment_id = a.id,
    appointment_link_status = 'linked',
    appointment_linked_at = now(),
    session_outcome = coalesce(c.session_outcome, 'appointment_booked')
from public.appointments as a
where c.id between :first and :n and a.call_id between :first and :n and a.call_id = c.id;
commit;
