-- unsynced_appointments
--
-- The undeleted appointments that the provider does not know, or is only said to know, with
-- the time since when at least: nothing records when a synchronisation began to wait, so it
-- counts from the making of the appointment or its last recorded change. The predicate is
-- that of the index appointments_unsynced_idx, word for word.

create or replace view trueup.unsynced_appointments as
select
    a.id,
    a.company_id,
    a.status,
    a.starts_at,
    a.calcom_sync_status,
    a.calcom_booking_id,
    a.calcom_booking_uid,
    greatest(
        a.created_at,
        (
            select max(am.created_at)
            from public.appointment_modifications as am
            where am.appointment_id = a.id
        )
    ) as since
from public.appointments as a
where
    a.deleted_at is null
    and case
        when
            a.calcom_sync_status in ('pending', 'failed')
            or (
                a.calcom_sync_status = 'synced'
                and a.calcom_booking_uid is null
                and a.calcom_booking_id is null
            )
            then 1
    end = 1;
