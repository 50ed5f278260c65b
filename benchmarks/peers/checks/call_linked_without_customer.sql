select c.id, c.company_id, c.customer_link_method, c.customer_linked_at
from public.calls as c
where
    c.customer_link_status = 'linked'
    and c.customer_id is null
    and c.deleted_at is null
