-- appointment_booking_shared
--
-- invariant:   one undeleted appointment of a company stands for one provider booking
-- severity:    critical
-- entity:      appointment
-- changes:     appointments.id with sharing_ids
-- population:  appointments where calcom_booking_uid is not null and deleted_at is null
-- prevented:   constraint appointments_booking_uid_key
-- repair:      review
-- cost:        one pass over appointments_booking_uid_idx (appointment_booking_shared_candidates); of
--              some a probe of it each
--
-- Cancelled ones count: a booking that is cancelled and booked anew has a new uid. Each
-- appointment that shares is listed.

create or replace view trueup.appointment_booking_shared as
select
    ka.company_id,
    'appointment' as entity_type,
    ka.id as entity_id,
    'another appointment stands for the same provider booking' as description,
    jsonb_build_object(
        'calcom_booking_uid', ka.calcom_booking_uid,
        'status', ka.status,
        'call_id', ka.call_id,
        'sharing_ids', array(
            select other.id
            from trueup.kept_appointments as other
            where
                other.company_id = ka.company_id
                and other.calcom_booking_uid = ka.calcom_booking_uid
                and other.id <> ka.id
            order by other.id
        )
    ) as evidence
from trueup.kept_appointments as ka
where exists (
    select 1
    from trueup.kept_appointments as other
    where
        other.company_id = ka.company_id
        and other.calcom_booking_uid = ka.calcom_booking_uid
        and other.id <> ka.id
);
