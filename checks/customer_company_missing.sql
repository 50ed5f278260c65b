-- customer_company_missing
--
-- invariant:   every customer belongs to a company
-- severity:    critical
-- entity:      customer
-- changes:     customers.id, calls.customer_id, appointments.customer_id
-- population:  customers
-- prevented:   constraint customers_company_known
-- repair:      evidence
-- cost:        those without a company, by customers_company_id_id_key; two index probes for each
--
-- Deleted customers too: the constraint speaks of all rows. What refers to such a
-- customer is not tenant_mismatch as well; the fault is this row's.

create or replace view trueup.customer_company_missing as
select
    k.company_id,
    'customer' as entity_type,
    k.id as entity_id,
    'belongs to no company' as description,
    jsonb_build_object(
        'companies', coalesce(
            (
                select jsonb_agg(
                    jsonb_build_object(
                        'company_id', kc.company_id, 'calls', kc.calls, 'appointments', kc.appointments
                    )
                    order by kc.company_id
                )
                from trueup.customer_companies as kc
                where kc.customer_id = k.id
            ),
            '[]'
        )
    ) as evidence
from public.customers as k
where k.company_id is null;
