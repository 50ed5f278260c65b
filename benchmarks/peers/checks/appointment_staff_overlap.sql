-- one pass in order of start: an appointment overlaps when an earlier one has not ended, or the next has begun
select o.id, o.company_id, o.staff_id, o.starts_at, o.ends_at
from (
    select
        a.id,
        a.company_id,
        a.staff_id,
        a.starts_at,
        a.ends_at,
        max(a.ends_at) over (
            partition by a.staff_id order by a.starts_at, a.id
            rows between unbounded preceding and 1 preceding
        ) as latest_end,
        lead(a.starts_at) over (partition by a.staff_id order by a.starts_at, a.id) as next_start
    from public.appointments as a
    where
        a.staff_id is not null
        and a.deleted_at is null
        and a.status <> 'cancelled'
        and a.ends_at > a.starts_at
) as o
where o.latest_end > o.starts_at or o.next_start < o.ends_at
