select c.id, c.company_id, c.direction
from public.calls as c
where
    (c.direction is null or c.direction = '')
    and c.deleted_at is null
