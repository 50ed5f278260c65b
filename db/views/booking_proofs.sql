-- booking_proofs
--
-- The one definition of a proof that a provider took a booking: calls.booking_details
-- of shape (b) or (c), calcom_booking with a uid or an id, also when it was encoded
-- twice. One row per undeleted call that has one. A column is NULL when its value is
-- absent, of the wrong type or unreadable; nothing in a payload raises an error.
--
-- limit 1 keeps each payload from being decoded once per column; a condition on
-- call_id still reaches the primary key of calls.

create or replace view trueup.booking_proofs as
select
    c.id as call_id,
    c.company_id,
    p.booking_uid,
    p.booking_number,
    p.starts_at,
    coalesce(p.ends_at, p.starts_at + p.duration_minutes * interval '1 minute') as ends_at,
    p.event_type_id,
    p.provider_status,
    p.attendee_name,
    p.attendee_email,
    p.attendee_phone,
    p.confirmed_at,
    p.creation_failed
from public.calls as c
cross join lateral (
    select trueup.decoded(c.booking_details) as details
    limit 1
) as d
cross join lateral (
    select trueup.decoded(d.details -> 'calcom_booking') as booking
    limit 1
) as b
cross join lateral (
    select
        trueup.string_or_null(b.booking -> 'uid') as booking_uid,
        trueup.bigint_or_null(b.booking ->> 'id') as booking_number,
        trueup.instant_or_null(b.booking ->> 'start') as starts_at,
        trueup.instant_or_null(b.booking ->> 'end') as ends_at,
        trueup.bigint_or_null(
            substring(b.booking ->> 'duration' from '^[1-9][0-9]{0,3}$')
        ) as duration_minutes,
        trueup.bigint_or_null(b.booking ->> 'eventTypeId') as event_type_id,
        lower(trueup.string_or_null(b.booking -> 'status')) as provider_status,
        trueup.string_or_null(b.booking #> '{attendees,0,name}') as attendee_name,
        trueup.string_or_null(b.booking #> '{attendees,0,email}') as attendee_email,
        trueup.string_or_null(b.booking #> '{attendees,0,phoneNumber}') as attendee_phone,
        trueup.instant_or_null(d.details ->> 'confirmed_at') as confirmed_at,
        trueup.creation_failed(d.details) as creation_failed
) as p
where
    c.deleted_at is null
    and c.booking_details is not null
    and (p.booking_uid is not null or p.booking_number is not null);
