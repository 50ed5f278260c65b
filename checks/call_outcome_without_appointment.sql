-- call_outcome_without_appointment
--
-- invariant:   a call with outcome appointment_booked has an undeleted appointment of its own
-- severity:    critical
-- entity:      call
-- changes:     calls.id, appointments.call_id
-- population:  calls where session_outcome = 'appointment_booked'
-- prevented:   guard; sync appointments_sync_calls
-- repair:      evidence
-- cost:        a scan of calls; one probe of appointments_call_id_idx for each call with this outcome
--
-- The outcome is an opinion on the conversation. It never becomes a flag: "the outcome
-- says booked, so set made" is how phantom bookings come about.

create or replace view trueup.call_outcome_without_appointment as
select
    c.company_id,
    'call' as entity_type,
    c.id as entity_id,
    'outcome appointment_booked, but no appointment of this call exists' as description,
    jsonb_build_object(
        'booking_id', c.booking_id,
        'appointment_made', c.appointment_made,
        'appointment_id', c.appointment_id,
        'deleted_appointment_ids', array(
            select a.id
            from public.appointments as a
            where a.call_id = c.id and a.deleted_at is not null
            order by a.id
        )
    ) as evidence
from public.calls as c
where
    c.session_outcome = 'appointment_booked'
    and c.deleted_at is null
    and not exists (
        select 1
        from trueup.kept_appointments as ka
        where ka.call_id = c.id
    );
