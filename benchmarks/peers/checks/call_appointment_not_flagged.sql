select c.id, c.company_id, c.appointment_made, c.appointment_link_status, c.appointment_linked_at
from public.calls as c
where
    (
        not c.appointment_made
        or c.appointment_link_status <> 'linked'
        or c.appointment_linked_at is null
    )
    and c.deleted_at is null
    and exists (
        select 1
        from public.appointments as a
        where a.call_id = c.id and a.deleted_at is null
    )
