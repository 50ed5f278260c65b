-- sync_failed_stale
--
-- invariant:   no undeleted appointment stays failed to synchronise longer than sync_failed_limit
-- severity:    critical
-- entity:      appointment
-- changes:     appointments.id, appointment_modifications.appointment_id, time
-- population:  appointments where calcom_sync_status = 'failed' and deleted_at is null
-- prevented:   none: only the passing of time makes it wrong
-- repair:      review
-- cost:        appointments not in step, by appointments_unsynced_idx, and a probe of
--              appointment_modifications_appointment_id_idx each
--
-- The limit is the setting sync_failed_limit (24 hours), counted from the making of the
-- appointment or its last recorded change, because nothing records when the wait began.
-- A cancelled appointment counts: the provider still holds its time.

create or replace view trueup.sync_failed_stale as
select
    ua.company_id,
    'appointment' as entity_type,
    ua.id as entity_id,
    'failed to synchronise, and nobody has mended it' as description,
    jsonb_build_object(
        'calcom_sync_status', ua.calcom_sync_status,
        'status', ua.status,
        'calcom_booking_uid', ua.calcom_booking_uid,
        'since', ua.since
    ) as evidence
from trueup.unsynced_appointments as ua
where
    ua.calcom_sync_status = 'failed'
    and ua.since < now() - (
        select st.value::interval from trueup.settings as st where st.name = 'sync_failed_limit'
    );
