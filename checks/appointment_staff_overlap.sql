-- appointment_staff_overlap
--
-- invariant:   two live appointments of one member of staff never overlap
-- severity:    critical
-- entity:      appointment
-- changes:     appointments.id with overlapping_ids
-- population:  appointments where staff_id is not null and deleted_at is null and status <> 'cancelled'
-- prevented:   constraint appointments_staff_id_excl
-- repair:      review
-- cost:        one pass over live appointments by their start (appointment_staff_overlap_candidates);
--              of some a probe of appointments_staff_id_idx and one of appointments_long_idx each
--
-- Half-open: one appointment may start when another ends. Each appointment of an overlap
-- is listed. One that ends before it starts is appointment_times_invalid and overlaps
-- nothing here; no range is built, so it cannot raise either.
--
-- What overlaps an appointment and is at most four hours long starts less than that
-- before it, which bounds the first index; longer ones are few and found by the second.
-- Without a bound every appointment would read the whole past of its member of staff.
-- Four hours is a cut between two ways to look, not part of the invariant: hours and
-- not days, because a day is not always 24 of them.

create or replace view trueup.appointment_staff_overlap as
select
    la.company_id,
    'appointment' as entity_type,
    doubtful.appointment_id as entity_id,
    'overlaps another appointment of the same member of staff' as description,
    jsonb_build_object(
        'staff_id', la.staff_id,
        'starts_at', la.starts_at,
        'ends_at', la.ends_at,
        'overlapping_ids', o.ids
    ) as evidence
from (
    select x.id as appointment_id
    from trueup.live_appointments as x
    where
        x.staff_id is not null
        and x.ends_at > x.starts_at
        -- asked of each appointment in turn: joined with all others the two reads would be one
        and case
            when exists (
                select 1
                from trueup.live_appointments as other
                where
                    other.staff_id = x.staff_id
                    and other.id <> x.id
                    and other.starts_at < x.ends_at
                    and other.ends_at > x.starts_at
                    and other.ends_at > other.starts_at
                    and other.starts_at >= x.starts_at - interval '4 hours'
            )
                then 1
            when exists (
                select 1
                from trueup.live_appointments as other
                where
                    other.staff_id = x.staff_id
                    and other.id <> x.id
                    and other.starts_at < x.ends_at
                    and other.ends_at > x.starts_at
                    and other.ends_at > other.starts_at
                    and other.is_long
            )
                then 1
        end = 1
    group by x.id
) as doubtful
inner join trueup.live_appointments as la on doubtful.appointment_id = la.id
cross join lateral (
    select array_agg(near_or_long.id order by near_or_long.id) as ids
    from (
        select other.id
        from trueup.live_appointments as other
        where
            other.staff_id = la.staff_id
            and other.id <> la.id
            and other.starts_at < la.ends_at
            and other.ends_at > la.starts_at
            and other.ends_at > other.starts_at
            and other.starts_at >= la.starts_at - interval '4 hours'
        union all
        select other.id
        from trueup.live_appointments as other
        where
            other.staff_id = la.staff_id
            and other.starts_at < la.starts_at - interval '4 hours'
            and other.ends_at > la.starts_at
            and other.is_long
    ) as near_or_long
) as o
where
    la.staff_id is not null
    and la.ends_at > la.starts_at
    and o.ids is not null;
