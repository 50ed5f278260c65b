-- appointment_booking_shared_candidates
--
-- candidates of: appointment_booking_shared
--
-- Where a full run looks for appointment_booking_shared: the appointments, deleted ones
-- too, whose booking uid a company has more than once. Read from
-- appointments_booking_uid_idx alone; the array keeps its rows from being joined with the table.

create or replace view trueup.appointment_booking_shared_candidates as
select
    'appointment_booking_shared' as check_name,
    'appointment' as entity_type,
    s.id as entity_id
from (
    select
        a.company_id,
        a.calcom_booking_uid
    from public.appointments as a
    where a.calcom_booking_uid is not null
    group by a.company_id, a.calcom_booking_uid
    having count(*) > 1
) as d
cross join lateral unnest(array(
    select a.id
    from public.appointments as a
    where
        a.company_id = d.company_id
        and a.calcom_booking_uid = d.calcom_booking_uid
)) as s (id);
