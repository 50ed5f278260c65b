-- customer_companies
--
-- Which companies a customer's calls and appointments belong to, deleted ones included:
-- one row per customer and company, company_id NULL for rows without one.

create or replace view trueup.customer_companies as
select
    r.customer_id,
    r.company_id,
    sum(r.calls) as calls,
    sum(r.appointments) as appointments
from (
    select
        c.customer_id,
        c.company_id,
        1 as calls,
        0 as appointments
    from public.calls as c
    where c.customer_id is not null
    union all
    select
        a.customer_id,
        a.company_id,
        0 as calls,
        1 as appointments
    from public.appointments as a
    where a.customer_id is not null
) as r
group by r.customer_id, r.company_id;
