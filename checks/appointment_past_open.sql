-- appointment_past_open
--
-- invariant:   an appointment that is long over is completed, no_show or cancelled
-- severity:    info
-- entity:      appointment
-- changes:     appointments.id, time
-- population:  appointments where status not in ('completed', 'no_show', 'cancelled') and deleted_at is null
--              and source is distinct from 'backfill'
-- prevented:   none: time passes without a write
-- repair:      review
-- cost:        one pass over appointments
--
-- Long: the setting open_past_limit after its end. Whether the customer came is
-- something only a person knows. A backfilled appointment is left out: it was written
-- after its time, so nobody had it before them to close.
--
-- A synonym or another spelling of pending and confirmed counts as what it means, or
-- its repair (appointment_value_unknown) would cause what it only uncovers, and be
-- taken back.

create or replace view trueup.appointment_past_open as
select
    ka.company_id,
    'appointment' as entity_type,
    ka.id as entity_id,
    'long over, but still pending or confirmed' as description,
    jsonb_build_object('status', ka.status, 'ends_at', ka.ends_at) as evidence
from trueup.kept_appointments as ka
where
    (
        ka.status in ('pending', 'confirmed')
        or (
            ka.status <> all('{completed,no_show,cancelled}'::text[])
            and trueup.vocabulary_value('appointment_status', ka.status) in ('pending', 'confirmed')
        )
    )
    and ka.source is distinct from 'backfill'
    and ka.ends_at
    < now() - (select st.value::interval from trueup.settings as st where st.name = 'open_past_limit');
