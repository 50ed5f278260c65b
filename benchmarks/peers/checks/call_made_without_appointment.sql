select c.id, c.company_id, c.booking_id, c.session_outcome
from public.calls as c
where
    c.appointment_made
    and c.deleted_at is null
    and not exists (
        select 1
        from public.appointments as a
        where a.call_id = c.id and a.deleted_at is null
    )
