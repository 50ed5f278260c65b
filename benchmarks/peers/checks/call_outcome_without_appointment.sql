select c.id, c.company_id, c.booking_id, c.appointment_made, c.appointment_id
from public.calls as c
where
    c.session_outcome = 'appointment_booked'
    and c.deleted_at is null
    and not exists (
        select 1
        from public.appointments as a
        where a.call_id = c.id and a.deleted_at is null
    )
