select s.id, s.company_id, s.calcom_booking_uid
from (
    select
        a.id,
        a.company_id,
        a.calcom_booking_uid,
        count(*) over (partition by a.company_id, a.calcom_booking_uid) as sharing
    from public.appointments as a
    where a.calcom_booking_uid is not null and a.deleted_at is null
) as s
where s.sharing > 1
