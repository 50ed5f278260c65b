-- booking_missing_remotely
--
-- invariant:   the provider holds a booking for every live appointment that bears the uid of one
-- severity:    critical
-- entity:      appointment
-- changes:     appointments.id, appointment_modifications.appointment_id, time ends
-- population:  appointments where calcom_booking_uid is not null and deleted_at is null and status <> 'cancelled'
-- prevented:   none: the provider's list is outside the database
-- repair:      review
-- cost:        without a complete import of late: nothing; else one scan of appointments and a probe of
--              trueup.booking_snapshots for each in its window
--
-- Concluded only from a complete reading of a window that holds the appointment, no older
-- than the setting booking_snapshot_age, and taken booking_arrival_limit after the
-- appointment was made: an import that stopped halfway proves nothing. What was written here
-- after the list was taken is newer than the list; the next one tells. A booking that an
-- earlier list showed outside the window is not expected in it.
--
-- A booking that was moved at the provider under a new uid is booking_missing_locally, and
-- one that the provider shows as cancelled is booking_differs. Whether the customer is to
-- be told or the booking to be made again is a person's decision.

create or replace view trueup.booking_missing_remotely as
select
    la.company_id,
    'appointment' as entity_type,
    la.id as entity_id,
    'the provider does not hold the booking of this appointment' as description,
    jsonb_build_object(
        'calcom_booking_uid', la.calcom_booking_uid,
        'status', la.status,
        'starts_at', la.starts_at,
        'calcom_sync_status', la.calcom_sync_status
    ) as evidence
from trueup.live_appointments as la
where
    la.calcom_booking_uid is not null
    and exists (
        select 1
        from trueup.booking_imports as i
        where
            i.company_id = la.company_id
            and i.status = 'complete'
            and i.taken_at > now() - (
                select st.value::interval from trueup.settings as st where st.name = 'booking_snapshot_age'
            )
            and la.starts_at >= i.window_from
            and la.ends_at <= i.window_to
            and la.created_at < i.taken_at - (
                select st.value::interval from trueup.settings as st where st.name = 'booking_arrival_limit'
            )
            and not exists (
                select 1
                from trueup.booking_snapshots as s
                where
                    s.booking_uid = la.calcom_booking_uid
                    and s.company_id = la.company_id
                    and (s.seen_at >= i.taken_at or s.starts_at < i.window_from or s.ends_at > i.window_to)
            )
            and not trueup.appointment_written_since(la.id, i.taken_at)
    )
    and not exists (
        select 1
        from trueup.booking_snapshots as moved
        where
            moved.rescheduled_from_uid = la.calcom_booking_uid
            and moved.company_id = la.company_id
            and moved.status in ('accepted', 'pending')
            and not exists (
                select 1
                from trueup.kept_appointments as own
                where own.company_id = moved.company_id and own.calcom_booking_uid = moved.booking_uid
            )
    );
