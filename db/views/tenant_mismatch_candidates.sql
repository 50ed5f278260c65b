-- tenant_mismatch_candidates
--
-- candidates of: tenant_mismatch
--
-- Where a full run looks for tenant_mismatch. What calls and appointments refer to repeats:
-- each combination is looked up once, and rows are read only where one is at fault. A call
-- and its own appointment name each other, so one join answers for both; a call that names
-- another's appointment is listed unseen. The other tables are read as the check reads them.
--
-- Three things here are for the planner: what is grouped is looked up before the table is
-- read again, of an equality with 1 it expects few rows, and a combination written as text
-- is compared at once, with what is NULL in it.

create or replace view trueup.tenant_mismatch_candidates as
select
    'tenant_mismatch' as check_name,
    'call' as entity_type,
    c.id as entity_id
from (
    select row(g.company_id, g.branch_id, g.phone_number_id)::text as combination
    from (
        select
            c.company_id,
            c.branch_id,
            c.phone_number_id
        from public.calls as c
        group by c.company_id, c.branch_id, c.phone_number_id
    ) as g
    left join public.companies as co on g.company_id = co.id
    left join public.branches as b on g.branch_id = b.id
    left join public.phone_numbers as pn on g.phone_number_id = pn.id
    where
        case
            when
                co.id is null
                or (g.branch_id is not null and (b.id is null or b.company_id <> g.company_id))
                or (g.phone_number_id is not null and (pn.id is null or pn.company_id <> g.company_id))
                then 1
        end = 1
    group by combination
) as d
inner join public.calls as c on d.combination = row(c.company_id, c.branch_id, c.phone_number_id)::text
union all
select
    'tenant_mismatch' as check_name,
    'call' as entity_type,
    c.id as entity_id
from (
    select
        g.customer_id,
        g.company_id
    from (
        select
            c.customer_id,
            c.company_id
        from public.calls as c
        where c.customer_id is not null
        group by c.customer_id, c.company_id
    ) as g
    left join public.customers as k on g.customer_id = k.id
    where case when k.id is null or k.company_id <> g.company_id then 1 end = 1
    group by g.customer_id, g.company_id
) as d
inner join public.calls as c on d.customer_id = c.customer_id and d.company_id = c.company_id
union all
select
    'tenant_mismatch' as check_name,
    'call' as entity_type,
    c.id as entity_id
from public.calls as c
left join public.appointments as a on c.id = a.call_id and c.appointment_id = a.id
where
    c.appointment_made
    and c.appointment_id is not null
    and case when a.id is null then 1 end = 1
union all
select
    'tenant_mismatch' as check_name,
    'call' as entity_type,
    c.id as entity_id
from public.calls as c
where c.appointment_made is not true and c.appointment_id is not null
union all
select
    'tenant_mismatch' as check_name,
    e.entity_type,
    e.entity_id
from public.appointments as a
left join public.calls as c on a.call_id = c.id
cross join lateral (values ('appointment', a.id), ('call', c.id)) as e (entity_type, entity_id)
where
    a.call_id is not null
    and case when c.id is null or c.company_id <> a.company_id then 1 end = 1
union all
select
    'tenant_mismatch' as check_name,
    'appointment' as entity_type,
    a.id as entity_id
from (
    select row(g.company_id, g.service_id, g.staff_id, g.branch_id)::text as combination
    from (
        select
            a.company_id,
            a.service_id,
            a.staff_id,
            a.branch_id
        from public.appointments as a
        group by a.company_id, a.service_id, a.staff_id, a.branch_id
    ) as g
    left join public.companies as co on g.company_id = co.id
    left join public.services as s on g.service_id = s.id
    left join public.staff as m on g.staff_id = m.id
    left join public.branches as b on g.branch_id = b.id
    where
        case
            when
                co.id is null
                or (g.service_id is not null and (s.id is null or s.company_id <> g.company_id))
                or (g.staff_id is not null and (m.id is null or m.company_id <> g.company_id))
                or (g.branch_id is not null and (b.id is null or b.company_id <> g.company_id))
                then 1
        end = 1
    group by combination
) as d
inner join public.appointments as a on d.combination = row(a.company_id, a.service_id, a.staff_id, a.branch_id)::text
union all
select
    'tenant_mismatch' as check_name,
    'appointment' as entity_type,
    a.id as entity_id
from (
    select
        g.customer_id,
        g.company_id
    from (
        select
            a.customer_id,
            a.company_id
        from public.appointments as a
        where a.customer_id is not null
        group by a.customer_id, a.company_id
    ) as g
    left join public.customers as k on g.customer_id = k.id
    where case when k.id is null or k.company_id <> g.company_id then 1 end = 1
    group by g.customer_id, g.company_id
) as d
inner join public.appointments as a on d.customer_id = a.customer_id and d.company_id = a.company_id
union all
select
    'tenant_mismatch' as check_name,
    t.entity_type,
    t.entity_id
from trueup.tenant_mismatch as t
where t.entity_type not in ('call', 'appointment');
