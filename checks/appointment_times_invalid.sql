-- appointment_times_invalid
--
-- invariant:   an undeleted appointment ends after it starts, and starts after its creation and within
--              the booking horizon
-- severity:    critical
-- entity:      appointment
-- changes:     appointments.id
-- population:  appointments where deleted_at is null
-- prevented:   constraint appointments_times_ordered; none: a start before creation or beyond the
--              horizon is only reported, because a late event must not lose a booking
-- repair:      review
-- cost:        one pass over appointments
--
-- A start before creation is a fault for source retell only: the agent books ahead, but
-- a person, an import or the backfill may well enter what has already taken place. The
-- horizon is the setting booking_horizon.

create or replace view trueup.appointment_times_invalid as
select
    ka.company_id,
    'appointment' as entity_type,
    ka.id as entity_id,
    case
        when ka.ends_at <= ka.starts_at then 'ends before or when it starts'
        when ka.source = 'retell' and ka.starts_at < ka.created_at
            then 'starts before the phone agent made it'
        else 'starts further ahead of its creation than appointments are made'
    end as description,
    jsonb_build_object(
        'starts_at', ka.starts_at,
        'ends_at', ka.ends_at,
        'created_at', ka.created_at,
        'source', ka.source
    ) as evidence
from trueup.kept_appointments as ka
where
    ka.ends_at <= ka.starts_at
    or (ka.source = 'retell' and ka.starts_at < ka.created_at)
    or ka.starts_at > ka.created_at
    + (select st.value::interval from trueup.settings as st where st.name = 'booking_horizon');
