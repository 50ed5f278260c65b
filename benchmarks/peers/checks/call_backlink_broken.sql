select c.id, c.company_id, c.appointment_id, a.call_id as appointment_call_id
from public.calls as c
left join public.appointments as a on c.appointment_id = a.id
where
    c.appointment_id is not null
    and c.deleted_at is null
    and (a.call_id is distinct from c.id or a.deleted_at is not null)
