-- a call that booked nothing, and has no violation that another guard would name first
select c.id
from public.calls as c
where
    not c.appointment_made
    and not c.booking_confirmed
    and c.session_outcome is distinct from 'appointment_booked'
    and not exists (select 1 from public.appointments as a where a.call_id = c.id)
order by c.id desc
limit 1;
