-- customer_duplicate
--
-- invariant:   no two undeleted customers of a company have one phone number or one e-mail address
-- severity:    warning
-- entity:      customer
-- changes:     customers.id with same_phone_ids and same_email_ids
-- population:  customers where deleted_at is null
-- prevented:   none: a family may share a number, so a second customer cannot be refused
-- repair:      review
-- cost:        customers merged with themselves, by customers_phone_normalized_idx and by customers_email_idx;
--              two index probes for each that shares one
--
-- Lists every customer of the group, and with each one the others. Numbers are compared
-- as trueup.plain_phone writes them, addresses without regard to case. A placeholder
-- (trueup.is_placeholder) makes nobody a duplicate.

create or replace view trueup.customer_duplicate as
select
    k.company_id,
    'customer' as entity_type,
    doubtful.customer_id as entity_id,
    'another customer of the company has the same phone number or e-mail address' as description,
    jsonb_build_object(
        'phone', trueup.masked(k.phone_normalized),
        'same_phone_ids', t.same_phone_ids,
        'email', trueup.masked(k.email),
        'same_email_ids', t.same_email_ids
    ) as evidence
from (
    select p.id as customer_id
    from public.customers as p
    where
        p.deleted_at is null
        and exists (
            select 1
            from public.customers as o
            where
                o.company_id = p.company_id
                and o.phone_normalized = p.phone_normalized
                and case when o.id <> p.id then 1 end = 1
                and o.deleted_at is null
        )
    union
    select e.id
    from public.customers as e
    where
        e.deleted_at is null
        and exists (
            select 1
            from public.customers as o
            where
                o.company_id = e.company_id
                and lower(o.email) = lower(e.email)
                and case when o.id <> e.id then 1 end = 1
                and o.deleted_at is null
        )
) as doubtful
inner join public.customers as k on doubtful.customer_id = k.id
cross join lateral (
    select
        array(
            select o.id
            from public.customers as o
            where
                trueup.usable_phone(k.phone)
                and trueup.usable_phone(o.phone)
                and o.company_id = k.company_id
                and o.phone_normalized = k.phone_normalized
                and o.id <> k.id
                and o.deleted_at is null
            order by o.id
        ) as same_phone_ids,
        array(
            select o.id
            from public.customers as o
            where
                trueup.usable_email(k.email)
                and o.company_id = k.company_id
                and lower(o.email) = lower(k.email)
                and o.id <> k.id
                and o.deleted_at is null
            order by o.id
        ) as same_email_ids
    -- looked up once, not once for the condition and once for the evidence
    limit 1
) as t
where
    k.deleted_at is null
    and (t.same_phone_ids <> '{}' or t.same_email_ids <> '{}');
