select c.id, c.company_id
from public.calls as c
where
    c.appointment_id is null
    and c.deleted_at is null
    and exists (
        select 1
        from public.appointments as a
        where a.call_id = c.id and a.deleted_at is null and a.company_id = c.company_id
    )
