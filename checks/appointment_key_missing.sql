-- appointment_key_missing
--
-- invariant:   an undeleted appointment made by the phone agent has an idempotency key
-- severity:    warning
-- entity:      appointment
-- changes:     appointments.id
-- population:  appointments where source = 'retell' and deleted_at is null
-- prevented:   constraint appointments_retell_has_key; fill appointments_fill_key
-- repair:      automatic
-- cost:        suspect appointments by appointments_suspect_idx
--
-- Without its key a booking is not recognised when the agent tries it a second time.

create or replace view trueup.appointment_key_missing as
select
    ka.company_id,
    'appointment' as entity_type,
    ka.id as entity_id,
    'made by the phone agent, but has no idempotency key' as description,
    jsonb_build_object('status', ka.status, 'starts_at', ka.starts_at) as evidence
from trueup.suspect_appointments as ka
where
    ka.source = 'retell'
    and ka.idempotency_key is null;
