-- call_creation_pending_stale
--
-- invariant:   no call waits for its appointment to be created longer than pending_creation_limit
-- severity:    warning
-- entity:      call
-- changes:     calls.id, appointments.call_id, time
-- population:  calls where appointment_link_status = 'pending_creation'
-- prevented:   none: only the passing of time makes it wrong
-- repair:      review
-- cost:        calls that have waited too long by calls_pending_creation_idx; one probe of
--              appointments_call_id_idx for each
--
-- The limit is the setting pending_creation_limit (15 minutes). Nothing records when the
-- wait began, so it is counted from the end of the call, or from its start while the end
-- is unknown: too late rather than too early. A call whose appointment exists waits for
-- nothing; its flags are call_appointment_not_flagged.

create or replace view trueup.call_creation_pending_stale as
select
    c.company_id,
    'call' as entity_type,
    c.id as entity_id,
    'the appointment is still to be created, longer than allowed' as description,
    jsonb_build_object(
        'appointment_link_status', c.appointment_link_status,
        'booking_id', c.booking_id
    ) as evidence
from public.calls as c
where
    c.deleted_at is null
    and c.appointment_link_status = 'pending_creation'
    and coalesce(c.ended_at, c.started_at, c.created_at) < now() - (
        select st.value::interval
        from trueup.settings as st
        where st.name = 'pending_creation_limit'
    )
    and not exists (
        select 1
        from trueup.kept_appointments as ka
        where ka.call_id = c.id
    );
