-- sync_synced_without_id
--
-- invariant:   an undeleted appointment that counts as synced bears the provider's uid or number of its booking
-- severity:    warning
-- entity:      appointment
-- changes:     appointments.id, appointment_modifications.appointment_id
-- population:  appointments where calcom_sync_status = 'synced' and deleted_at is null
-- prevented:   constraint appointments_synced_has_id
-- repair:      review
-- cost:        appointments not in step, by appointments_unsynced_idx
--
-- Without it nobody can tell the provider that the appointment was moved or cancelled.

create or replace view trueup.sync_synced_without_id as
select
    ua.company_id,
    'appointment' as entity_type,
    ua.id as entity_id,
    'counts as synced, but bears no booking of the provider' as description,
    jsonb_build_object('status', ua.status, 'starts_at', ua.starts_at) as evidence
from trueup.unsynced_appointments as ua
where
    ua.calcom_sync_status = 'synced'
    and ua.calcom_booking_uid is null
    and ua.calcom_booking_id is null;
