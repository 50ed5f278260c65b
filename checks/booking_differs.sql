-- booking_differs
--
-- invariant:   an undeleted appointment and its booking at the provider agree on start, end and status
-- severity:    critical
-- entity:      appointment
-- changes:     appointments.id, appointment_modifications.appointment_id, time ends
-- population:  appointments where calcom_booking_uid is not null and deleted_at is null
-- prevented:   none: the provider changes its bookings outside the database
-- repair:      review
-- cost:        one pass over trueup.booking_snapshots; one probe of appointments_booking_uid_idx each
--
-- The provider's word is the higher one (decision D3), so the appointment is what is wrong,
-- unless somebody here meant what the provider never heard of: that a person decides.
-- accepted agrees with confirmed, completed and no_show; pending with pending; cancelled and
-- rejected with cancelled, whose times nobody compares. A status that we do not know
-- differs from nothing.
--
-- By the last list that showed the booking, no older than the setting booking_snapshot_age.
-- What was written here after the list was taken is newer than the list; the next one
-- tells. A booking that was moved under a new uid is booking_missing_locally.

create or replace view trueup.booking_differs as
select
    ka.company_id,
    'appointment' as entity_type,
    ka.id as entity_id,
    'start, end or status are not those of the booking at the provider' as description,
    jsonb_build_object(
        'calcom_booking_uid', ka.calcom_booking_uid,
        'status', ka.status,
        'starts_at', ka.starts_at,
        'ends_at', ka.ends_at,
        'provider_status', s.status,
        'provider_starts_at', s.starts_at,
        'provider_ends_at', s.ends_at
    ) as evidence
from trueup.booking_snapshots as s
inner join trueup.kept_appointments as ka
    on s.company_id = ka.company_id and s.booking_uid = ka.calcom_booking_uid
cross join lateral (
    select
        case s.status
            when 'accepted' then array['confirmed', 'completed', 'no_show']
            when 'pending' then array['pending']
            when 'cancelled' then array['cancelled']
            when 'rejected' then array['cancelled']
        end as statuses
) as right_ones
where
    s.seen_at > now() - (
        select st.value::interval from trueup.settings as st where st.name = 'booking_snapshot_age'
    )
    and (
        (s.status in ('accepted', 'pending') and (ka.starts_at <> s.starts_at or ka.ends_at <> s.ends_at))
        or (
            ka.status <> all(right_ones.statuses)
            -- a legacy spelling counts as what it means
            and coalesce(trueup.vocabulary_value('appointment_status', ka.status), ka.status)
            <> all(right_ones.statuses)
        )
    )
    and not exists (
        select 1
        from trueup.booking_snapshots as moved
        where
            moved.rescheduled_from_uid = s.booking_uid
            and moved.company_id = s.company_id
            and moved.status in ('accepted', 'pending')
            and not exists (
                select 1
                from trueup.kept_appointments as own
                where own.company_id = moved.company_id and own.calcom_booking_uid = moved.booking_uid
            )
    )
    and not trueup.appointment_written_since(ka.id, s.seen_at);
