-- appointment_duplicate_candidates
--
-- candidates of: appointment_duplicate
--
-- Where a full run looks for appointment_duplicate: of the live appointments of a customer
-- for a service by their start, those whose neighbour starts within the setting
-- duplicate_appointment_window. Who it is booked for is not asked here.

create or replace view trueup.appointment_duplicate_candidates as
select
    'appointment_duplicate' as check_name,
    'appointment' as entity_type,
    n.id as entity_id
from (
    select
        la.id,
        la.starts_at,
        lag(la.starts_at) over by_start as last_starts_at,
        lead(la.starts_at) over by_start as next_starts_at
    from trueup.live_appointments as la
    where la.customer_id is not null
    window by_start as (
        partition by la.customer_id, la.company_id, la.service_id
        order by la.starts_at
    )
) as n
where
    n.last_starts_at >= n.starts_at - (
        select st.value::interval
        from trueup.settings as st
        where st.name = 'duplicate_appointment_window'
    )
    or n.next_starts_at <= n.starts_at + (
        select st.value::interval
        from trueup.settings as st
        where st.name = 'duplicate_appointment_window'
    );
