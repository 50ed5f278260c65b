-- tenant_mismatch
--
-- invariant:   every row belongs to an existing company, and refers to rows of that company only
-- severity:    critical
-- entity:      call, appointment, modification, staff, phone_number, branch, service, customer
-- changes:     calls.id, appointments.id, appointment_modifications.id, staff.id, phone_numbers.id,
--              branches.id, services.id, customers.id, calls.id via appointments.call_id,
--              calls.id via appointment_modifications.call_id, appointments.id via calls.appointment_id,
--              appointments.id via appointment_modifications.appointment_id,
--              customers.id via calls.customer_id, customers.id via appointments.customer_id,
--              phone_numbers.id via calls.phone_number_id, services.id via appointments.service_id,
--              staff.id via appointments.staff_id, branches.id via calls.branch_id,
--              branches.id via appointments.branch_id, branches.id via staff.branch_id,
--              branches.id via phone_numbers.branch_id
-- population:  calls; appointments; appointment_modifications; staff; phone_numbers; branches; services;
--              customers
-- prevented:   constraint calls_company_exists; constraint calls_company_known;
--              constraint calls_company_id_customer_id_fkey; constraint calls_company_id_appointment_id_fkey;
--              constraint calls_company_id_branch_id_fkey; constraint calls_company_id_phone_number_id_fkey;
--              constraint appointments_company_exists; constraint appointments_company_known;
--              constraint appointments_company_id_call_id_fkey; constraint appointments_company_id_customer_id_fkey;
--              constraint appointments_company_id_service_id_fkey; constraint appointments_company_id_staff_id_fkey;
--              constraint appointments_company_id_branch_id_fkey;
--              constraint appointment_modifications_company_exists;
--              constraint appointment_modifications_company_known;
--              constraint appointment_modifications_company_id_appointment_id_fkey;
--              constraint appointment_modifications_company_id_call_id_fkey; constraint staff_company_exists;
--              constraint staff_company_known; constraint staff_company_id_branch_id_fkey;
--              constraint phone_numbers_company_exists; constraint phone_numbers_company_known;
--              constraint phone_numbers_company_id_branch_id_fkey; constraint branches_company_exists;
--              constraint branches_company_known; constraint services_company_exists;
--              constraint services_company_known; constraint customers_company_exists
-- repair:      review
-- cost:        calls and appointments in one join, each combination of what else they refer to looked up once,
--              all by indexes (calls_and_appointments_candidates), and the other tables once; one entity costs
--              its own probes
--
-- One row per entity; the evidence lists every column at fault and what it leads to. Rows
-- deleted softly count: the constraints speak of all rows. Never moved automatically,
-- because either end may be the wrong one.
--
-- Left to others: a customer without a company (customer_company_missing), and a call's
-- appointment_id that leads nowhere (call_backlink_broken). A reference to a row without
-- a company is not a second fault.

create or replace view trueup.tenant_mismatch as
select
    t.company_id,
    t.entity_type,
    t.entity_id,
    'has no company, or refers to a row of another company or to none that exists' as description,
    t.faults as evidence
from (
    select
        c.company_id,
        'call' as entity_type,
        c.id as entity_id,
        jsonb_strip_nulls(jsonb_build_object(
            'company_id', f.company_id,
            'customer_id', f.customer_id,
            'appointment_id', f.appointment_id,
            'branch_id', f.branch_id,
            'phone_number_id', f.phone_number_id
        )) as faults
    from public.calls as c
    left join public.companies as co on c.company_id = co.id
    left join public.customers as k on c.customer_id = k.id
    left join public.appointments as a on c.appointment_id = a.id
    left join public.branches as b on c.branch_id = b.id
    left join public.phone_numbers as pn on c.phone_number_id = pn.id
    cross join lateral (values (
        trueup.company_fault(c.company_id, co.id),
        trueup.reference_fault(c.company_id, c.customer_id, k.id, k.company_id),
        trueup.reference_fault(c.company_id, a.id, a.id, a.company_id),
        trueup.reference_fault(c.company_id, c.branch_id, b.id, b.company_id),
        trueup.reference_fault(c.company_id, c.phone_number_id, pn.id, pn.company_id)
    )) as f (company_id, customer_id, appointment_id, branch_id, phone_number_id)
    where coalesce(f.company_id, f.customer_id, f.appointment_id, f.branch_id, f.phone_number_id) is not null
    union all
    select
        a.company_id,
        'appointment' as entity_type,
        a.id as entity_id,
        jsonb_strip_nulls(jsonb_build_object(
            'company_id', f.company_id,
            'call_id', f.call_id,
            'customer_id', f.customer_id,
            'service_id', f.service_id,
            'staff_id', f.staff_id,
            'branch_id', f.branch_id
        )) as faults
    from public.appointments as a
    left join public.companies as co on a.company_id = co.id
    left join public.calls as c on a.call_id = c.id
    left join public.customers as k on a.customer_id = k.id
    left join public.services as s on a.service_id = s.id
    left join public.staff as m on a.staff_id = m.id
    left join public.branches as b on a.branch_id = b.id
    cross join lateral (values (
        trueup.company_fault(a.company_id, co.id),
        trueup.reference_fault(a.company_id, a.call_id, c.id, c.company_id),
        trueup.reference_fault(a.company_id, a.customer_id, k.id, k.company_id),
        trueup.reference_fault(a.company_id, a.service_id, s.id, s.company_id),
        trueup.reference_fault(a.company_id, a.staff_id, m.id, m.company_id),
        trueup.reference_fault(a.company_id, a.branch_id, b.id, b.company_id)
    )) as f (company_id, call_id, customer_id, service_id, staff_id, branch_id)
    where coalesce(f.company_id, f.call_id, f.customer_id, f.service_id, f.staff_id, f.branch_id) is not null
    union all
    select
        am.company_id,
        'modification' as entity_type,
        am.id as entity_id,
        jsonb_strip_nulls(jsonb_build_object(
            'company_id', f.company_id,
            'appointment_id', f.appointment_id,
            'call_id', f.call_id
        )) as faults
    from public.appointment_modifications as am
    left join public.companies as co on am.company_id = co.id
    left join public.appointments as a on am.appointment_id = a.id
    left join public.calls as c on am.call_id = c.id
    cross join lateral (values (
        trueup.company_fault(am.company_id, co.id),
        trueup.reference_fault(am.company_id, am.appointment_id, a.id, a.company_id),
        trueup.reference_fault(am.company_id, am.call_id, c.id, c.company_id)
    )) as f (company_id, appointment_id, call_id)
    where coalesce(f.company_id, f.appointment_id, f.call_id) is not null
    union all
    select
        m.company_id,
        'staff' as entity_type,
        m.id as entity_id,
        jsonb_strip_nulls(jsonb_build_object(
            'company_id', f.company_id,
            'branch_id', f.branch_id
        )) as faults
    from public.staff as m
    left join public.companies as co on m.company_id = co.id
    left join public.branches as b on m.branch_id = b.id
    cross join lateral (values (
        trueup.company_fault(m.company_id, co.id),
        trueup.reference_fault(m.company_id, m.branch_id, b.id, b.company_id)
    )) as f (company_id, branch_id)
    where coalesce(f.company_id, f.branch_id) is not null
    union all
    select
        pn.company_id,
        'phone_number' as entity_type,
        pn.id as entity_id,
        jsonb_strip_nulls(jsonb_build_object(
            'company_id', f.company_id,
            'branch_id', f.branch_id
        )) as faults
    from public.phone_numbers as pn
    left join public.companies as co on pn.company_id = co.id
    left join public.branches as b on pn.branch_id = b.id
    cross join lateral (values (
        trueup.company_fault(pn.company_id, co.id),
        trueup.reference_fault(pn.company_id, pn.branch_id, b.id, b.company_id)
    )) as f (company_id, branch_id)
    where coalesce(f.company_id, f.branch_id) is not null
    union all
    select
        b.company_id,
        'branch' as entity_type,
        b.id as entity_id,
        jsonb_build_object('company_id', f.company_id) as faults
    from public.branches as b
    left join public.companies as co on b.company_id = co.id
    cross join lateral (values (
        trueup.company_fault(b.company_id, co.id)
    )) as f (company_id)
    where f.company_id is not null
    union all
    select
        s.company_id,
        'service' as entity_type,
        s.id as entity_id,
        jsonb_build_object('company_id', f.company_id) as faults
    from public.services as s
    left join public.companies as co on s.company_id = co.id
    cross join lateral (values (
        trueup.company_fault(s.company_id, co.id)
    )) as f (company_id)
    where f.company_id is not null
    union all
    select
        k.company_id,
        'customer' as entity_type,
        k.id as entity_id,
        jsonb_build_object('company_id', f.company_id) as faults
    from public.customers as k
    left join public.companies as co on k.company_id = co.id
    cross join lateral (values (
            case
                when k.company_id is not null then trueup.company_fault(k.company_id, co.id)
            end
    )) as f (company_id)
    where f.company_id is not null
) as t;
