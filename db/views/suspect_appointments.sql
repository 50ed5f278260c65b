-- suspect_appointments
--
-- The undeleted appointments at which the row alone shows that some check may list it, as
-- suspect_calls is for calls; the predicate is that of the index appointments_suspect_idx,
-- word for word.

create or replace view trueup.suspect_appointments as
select
    a.id,
    a.company_id,
    a.call_id,
    a.starts_at,
    a.ends_at,
    a.status,
    a.source,
    a.sync_origin,
    a.calcom_booking_uid,
    a.calcom_sync_status,
    a.idempotency_key,
    a.cancelled_at,
    a.metadata,
    a.created_at
from public.appointments as a
where
    a.deleted_at is null
    and case
        when
            a.status not in ('pending', 'confirmed', 'completed', 'no_show', 'cancelled')
            or a.source not in ('retell', 'calcom', 'manual', 'api', 'backfill')
            or a.sync_origin not in ('retell', 'calcom', 'admin', 'api', 'system')
            or a.calcom_sync_status not in ('pending', 'synced', 'failed', 'verification_pending')
            or (a.status = 'cancelled') <> (a.cancelled_at is not null)
            or (a.source = 'retell' and (a.idempotency_key is null or a.call_id is null))
            then 1
    end = 1;
