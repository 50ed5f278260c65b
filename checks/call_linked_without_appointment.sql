-- call_linked_without_appointment
--
-- invariant:   a call not flagged appointment_made does not say it is linked
--              to an appointment it does not have
-- severity:    warning
-- entity:      call
-- changes:     calls.id, appointments.call_id
-- population:  calls where appointment_link_status = 'linked' or appointment_linked_at is not null
-- prevented:   sync appointments_sync_calls
-- repair:      evidence
-- cost:        suspect calls by calls_suspect_idx; one probe of appointments_call_id_idx for each
--              that says linked
--
-- The rest of what derives from the appointment, besides the flag and the reference: a
-- flagged call is reported by call_made_without_appointment, once and as critical.

create or replace view trueup.call_linked_without_appointment as
select
    c.company_id,
    'call' as entity_type,
    c.id as entity_id,
    'says it is linked to an appointment, but no appointment of this call exists' as description,
    jsonb_build_object(
        'appointment_link_status', c.appointment_link_status,
        'appointment_linked_at', c.appointment_linked_at,
        'appointment_id', c.appointment_id,
        'booking_id', c.booking_id
    ) as evidence
from trueup.suspect_calls as c
where
    not c.appointment_made
    and (c.appointment_link_status = 'linked' or c.appointment_linked_at is not null)
    and not exists (
        select 1
        from trueup.kept_appointments as ka
        where ka.call_id = c.id
    );
