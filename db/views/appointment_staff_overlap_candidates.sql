-- appointment_staff_overlap_candidates
--
-- candidates of: appointment_staff_overlap
--
-- Where a full run looks for appointment_staff_overlap: of the appointments of each member
-- of staff by their start, those that begin before an earlier one has ended, or end after
-- the next one begins. One pass, where the view of the check probes an index for each row.

create or replace view trueup.appointment_staff_overlap_candidates as
select
    'appointment_staff_overlap' as check_name,
    'appointment' as entity_type,
    n.id as entity_id
from (
    select
        la.id,
        la.starts_at,
        la.ends_at,
        max(la.ends_at) over earlier as busy_until,
        -- looks past the frame, which is that of max
        lead(la.starts_at) over earlier as next_starts_at
    from trueup.live_appointments as la
    where
        la.staff_id is not null
        and la.ends_at > la.starts_at
    window earlier as (
        partition by la.staff_id
        order by la.starts_at
        rows between unbounded preceding and 1 preceding
    )
) as n
where
    n.busy_until > n.starts_at
    or n.next_starts_at < n.ends_at;
