-- appointment_without_call
--
-- invariant:   an undeleted appointment made by the phone agent names the call that made it
-- severity:    warning
-- entity:      appointment
-- changes:     appointments.id
-- population:  appointments where source = 'retell' and deleted_at is null
-- prevented:   guard
-- repair:      evidence
-- cost:        suspect appointments by appointments_suspect_idx
--
-- Only source retell: a backfilled booking names its call as well, but what it was made
-- from is a provider's booking, and calls older than the application's are not there.

create or replace view trueup.appointment_without_call as
select
    ka.company_id,
    'appointment' as entity_type,
    ka.id as entity_id,
    'made by the phone agent, but names no call' as description,
    jsonb_build_object(
        'calcom_booking_uid', ka.calcom_booking_uid,
        'metadata_call_id', ka.metadata ->> 'call_id'
    ) as evidence
from trueup.suspect_appointments as ka
where
    ka.source = 'retell'
    and ka.call_id is null;
