-- appointment_cancel_contradicts
--
-- invariant:   an undeleted appointment has cancelled_at when it is cancelled, and only then
-- severity:    warning
-- entity:      appointment
-- changes:     appointments.id
-- population:  appointments where deleted_at is null
-- prevented:   constraint appointments_cancel_agrees; fill appointments_fill_status
-- repair:      evidence
-- cost:        suspect appointments by appointments_suspect_idx

create or replace view trueup.appointment_cancel_contradicts as
select
    ka.company_id,
    'appointment' as entity_type,
    ka.id as entity_id,
    case
        when ka.cancelled_at is null then 'cancelled, but cancelled_at is empty'
        else 'has cancelled_at, but is not cancelled'
    end as description,
    jsonb_build_object('status', ka.status, 'cancelled_at', ka.cancelled_at) as evidence
from trueup.suspect_appointments as ka
where (ka.status = 'cancelled') <> (ka.cancelled_at is not null);
