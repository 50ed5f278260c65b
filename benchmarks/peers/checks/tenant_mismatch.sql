select 'call' as entity, c.id, c.company_id
from public.calls as c
left join public.companies as co on c.company_id = co.id
left join public.customers as k on c.customer_id = k.id
left join public.appointments as a on c.appointment_id = a.id
left join public.branches as b on c.branch_id = b.id
left join public.phone_numbers as pn on c.phone_number_id = pn.id
where
    co.id is null
    or (c.customer_id is not null and k.id is null)
    or (c.branch_id is not null and b.id is null)
    or (c.phone_number_id is not null and pn.id is null)
    or k.company_id <> c.company_id
    or a.company_id <> c.company_id
    or b.company_id <> c.company_id
    or pn.company_id <> c.company_id
union all
select 'appointment' as entity, a.id, a.company_id
from public.appointments as a
left join public.companies as co on a.company_id = co.id
left join public.calls as c on a.call_id = c.id
left join public.customers as k on a.customer_id = k.id
left join public.services as s on a.service_id = s.id
left join public.staff as m on a.staff_id = m.id
left join public.branches as b on a.branch_id = b.id
where
    co.id is null
    or (a.call_id is not null and c.id is null)
    or (a.customer_id is not null and k.id is null)
    or (a.service_id is not null and s.id is null)
    or (a.staff_id is not null and m.id is null)
    or (a.branch_id is not null and b.id is null)
    or c.company_id <> a.company_id
    or k.company_id <> a.company_id
    or s.company_id <> a.company_id
    or m.company_id <> a.company_id
    or b.company_id <> a.company_id
union all
select 'modification' as entity, am.id, am.company_id
from public.appointment_modifications as am
left join public.companies as co on am.company_id = co.id
left join public.appointments as a on am.appointment_id = a.id
left join public.calls as c on am.call_id = c.id
where
    co.id is null
    or a.id is null
    or (am.call_id is not null and c.id is null)
    or a.company_id <> am.company_id
    or c.company_id <> am.company_id
union all
select 'staff' as entity, m.id, m.company_id
from public.staff as m
left join public.companies as co on m.company_id = co.id
left join public.branches as b on m.branch_id = b.id
where co.id is null or (m.branch_id is not null and b.id is null) or b.company_id <> m.company_id
union all
select 'phone_number' as entity, pn.id, pn.company_id
from public.phone_numbers as pn
left join public.companies as co on pn.company_id = co.id
left join public.branches as b on pn.branch_id = b.id
where co.id is null or (pn.branch_id is not null and b.id is null) or b.company_id <> pn.company_id
union all
select 'branch' as entity, b.id, b.company_id
from public.branches as b
left join public.companies as co on b.company_id = co.id
where co.id is null
union all
select 'service' as entity, s.id, s.company_id
from public.services as s
left join public.companies as co on s.company_id = co.id
where co.id is null
union all
select 'customer' as entity, k.id, k.company_id
from public.customers as k
left join public.companies as co on k.company_id = co.id
where k.company_id is not null and co.id is null
