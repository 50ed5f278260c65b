-- booking_missing_locally
--
-- invariant:   every booking that the provider holds has its appointment
-- severity:    critical
-- entity:      booking
-- changes:     appointments.calcom_booking_uid via booking_uid, appointments.calcom_booking_id via booking_number,
--              trueup.former_bookings.booking_uid via booking_uid, time ends
-- population:  trueup.booking_snapshots where status in ('accepted', 'pending')
-- prevented:   none: the provider takes bookings outside the database
-- repair:      evidence
-- cost:        one pass over trueup.booking_snapshots; one probe of appointments_booking_uid_idx each
--
-- Held: accepted or pending in the last list that showed it, that list no older than the
-- setting booking_snapshot_age, and no later complete list of a window that holds it. A
-- booking made within booking_arrival_limit before the list was taken may still be on its way
-- here. What was moved to another booking or deleted here after the list was taken is newer
-- than the list; the next one tells. An appointment that bears the provider's number and no
-- uid stands for the booking, too; a deleted one does not.
--
-- A booking that was moved at the provider, unknown to us, has a new uid and shows as
-- missing: rescheduled_from_uid leads to the appointment that is meant.

create or replace view trueup.booking_missing_locally as
select
    s.company_id,
    'booking' as entity_type,
    s.id as entity_id,
    'the provider holds a booking that has no appointment' as description,
    jsonb_strip_nulls(jsonb_build_object(
        'booking_uid', s.booking_uid,
        'booking_number', s.booking_number,
        'provider_status', s.status,
        'starts_at', s.starts_at,
        'ends_at', s.ends_at,
        'event_type_id', s.event_type_id,
        'rescheduled_from_uid', s.rescheduled_from_uid
    )) as evidence
from trueup.booking_snapshots as s
where
    s.status in ('accepted', 'pending')
    and s.seen_at > now() - (
        select st.value::interval from trueup.settings as st where st.name = 'booking_snapshot_age'
    )
    and (
        s.booked_at is null
        or s.booked_at < s.seen_at - (
            select st.value::interval from trueup.settings as st where st.name = 'booking_arrival_limit'
        )
    )
    -- a later list would have shown it; how old that is bounds what is read, and follows from seen_at
    and not exists (
        select 1
        from trueup.booking_imports as i
        where
            i.company_id = s.company_id
            and i.status = 'complete'
            and i.taken_at > s.seen_at
            and i.taken_at > now() - (
                select st.value::interval from trueup.settings as st where st.name = 'booking_snapshot_age'
            )
            and s.starts_at >= i.window_from
            and s.ends_at <= i.window_to
    )
    and not exists (
        select 1
        from trueup.kept_appointments as ka
        where ka.company_id = s.company_id and ka.calcom_booking_uid = s.booking_uid
    )
    and not exists (
        select 1
        from trueup.kept_appointments as numbered
        where
            numbered.company_id = s.company_id
            and numbered.calcom_booking_id = s.booking_number
            and numbered.calcom_booking_uid is null
    )
    -- newer than the list: moved to another booking, deleted hard, deleted softly
    and not exists (
        select 1
        from trueup.former_bookings as fb
        where fb.booking_uid = s.booking_uid and fb.company_id = s.company_id and fb.ended_at >= s.seen_at
    )
    and not exists (
        select 1
        from public.appointments as gone
        where
            gone.company_id = s.company_id
            and gone.calcom_booking_uid = s.booking_uid
            and gone.deleted_at >= s.seen_at
    );
