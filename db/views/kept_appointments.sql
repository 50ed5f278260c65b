-- kept_appointments
--
-- The one definition of an appointment that counts as made (decision D1): not
-- deleted, hard or soft, whatever its status. Checks, triggers and repairs read it.

create or replace view trueup.kept_appointments as
select
    a.id,
    a.company_id,
    a.call_id,
    a.customer_id,
    a.service_id,
    a.staff_id,
    a.starts_at,
    a.ends_at,
    a.status,
    a.source,
    a.calcom_booking_id,
    a.calcom_booking_uid,
    a.sync_origin,
    a.calcom_sync_status,
    a.idempotency_key,
    a.cancelled_at,
    a.metadata,
    a.created_at
from public.appointments as a
where a.deleted_at is null;
