-- listed_bookings(data): the bookings of a page of the provider's list
--
-- One row for each item, in order, counted from 0. A column is NULL when its value is
-- absent, of the wrong type or unreadable; nothing in a page raises an error. fault says
-- why the item is none that can be compared with an appointment. A status that we do not
-- know is no fault: it is kept, and the checks conclude nothing from it.

create or replace function trueup.listed_bookings(p_data jsonb)
    returns table (
        item integer,
        booking_uid text,
        booking_number bigint,
        status text,
        starts_at timestamptz,
        ends_at timestamptz,
        event_type_id bigint,
        attendee_name text,
        attendee_email text,
        attendee_phone text,
        rescheduled_from_uid text,
        booked_at timestamptz,
        fault text
    )
    language sql
    stable
    set search_path = pg_catalog, pg_temp
as $$
select
    l.position::integer - 1,
    b.booking_uid,
    trueup.bigint_or_null(l.booking ->> 'id'),
    b.status,
    b.starts_at,
    b.ends_at,
    trueup.bigint_or_null(l.booking ->> 'eventTypeId'),
    trueup.string_or_null(l.booking #> '{attendees,0,name}'),
    trueup.string_or_null(l.booking #> '{attendees,0,email}'),
    trueup.string_or_null(l.booking #> '{attendees,0,phoneNumber}'),
    trueup.string_or_null(l.booking -> 'rescheduledFromUid'),
    trueup.instant_or_null(l.booking ->> 'createdAt'),
    case
        when jsonb_typeof(l.booking) <> 'object' then 'it is no object'
        when b.booking_uid is null then 'it has no uid'
        when b.status is null then 'it has no status'
        when b.starts_at is null or b.ends_at is null then 'it has no readable start and end'
        when b.ends_at <= b.starts_at then 'it ends before it starts'
        when count(*) over (partition by b.booking_uid) > 1 then 'its uid stands twice on the page'
    end
from jsonb_array_elements(p_data) with ordinality as l (booking, position)
cross join lateral (
    select
        trueup.string_or_null(l.booking -> 'uid') as booking_uid,
        lower(trueup.string_or_null(l.booking -> 'status')) as status,
        trueup.instant_or_null(l.booking ->> 'start') as starts_at,
        trueup.instant_or_null(l.booking ->> 'end') as ends_at
    limit 1
) as b;
$$;
