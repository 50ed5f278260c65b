-- calls_and_appointments_candidates
--
-- candidates of: call_made_without_appointment, call_outcome_without_appointment,
--                call_booked_without_appointment, call_appointment_not_flagged,
--                call_backlink_missing, call_backlink_broken, call_failed_but_booked,
--                appointment_call_mismatch, tenant_mismatch
--
-- Where a full run looks for the calls that disagree with their appointments, and for what
-- refers to another company. Flagged calls and undeleted appointments stand side by side once
-- for all these checks; two indexes hold what is compared, calls_appointment_made_idx and
-- appointments_call_id_idx. Calls that say booked and are not flagged come from
-- calls_unflagged_idx, which holds these and no others, and suspect calls in addition.
--
-- What else calls and appointments refer to repeats: each combination is looked up once, as two more
-- indexes list it, calls_company_id_branch_id_idx and appointments_company_id_branch_id_idx, and rows are
-- read only where one is at fault. The other tables are read as tenant_mismatch reads them.
--
-- Six things here are for the planner: what is grouped is looked up before the table is read
-- again, and grouped in the order of its index, of an equality with 1 it expects few rows, a
-- combination that is one array is hashed, and compared with what is NULL in it, and the predicate
-- of calls_unflagged_idx is repeated word for word. And a limit that it cannot know, which is none,
-- makes it look for the plan that begins at once: two indexes merged in their order, where a hash
-- table takes twice as long, and all cores.
-- The limit has a name, because a dump gives it one: the view would not be the same when restored.

create or replace view trueup.calls_and_appointments_candidates as
select
    x.check_name,
    x.entity_type,
    x.entity_id
from (
    select
        f.id as call_id,
        ka.id as appointment_id,
        ka.call_id as of_call_id,
        f.appointment_id <> ka.id as is_other,
        f.customer_id <> ka.customer_id as is_of_other,
        f.company_id <> ka.company_id as is_foreign
    from (
        select
            c.id,
            c.company_id,
            c.appointment_id,
            c.customer_id
        from public.calls as c
        where c.appointment_made
    ) as f
    full join (
        select
            k.id,
            k.company_id,
            k.call_id,
            k.customer_id
        from trueup.kept_appointments as k
        where k.call_id is not null
    ) as ka on f.id = ka.call_id
    where
        case
            when
                f.id is null
                or ka.id is null
                or f.appointment_id <> ka.id
                or f.customer_id <> ka.customer_id
                or f.company_id <> ka.company_id
                then 1
        end = 1
    limit (select 9223372036854775807 as no_limit)
) as d
cross join lateral (values
    ('call_made_without_appointment', 'call', d.call_id, d.appointment_id is null),
    ('call_outcome_without_appointment', 'call', d.call_id, d.appointment_id is null),
    ('call_booked_without_appointment', 'call', d.call_id, d.appointment_id is null),
    ('call_backlink_broken', 'call', d.call_id, d.appointment_id is null or d.is_other),
    ('call_appointment_not_flagged', 'call', d.of_call_id, d.call_id is null),
    ('call_backlink_missing', 'call', d.of_call_id, d.call_id is null),
    ('call_failed_but_booked', 'call', d.of_call_id, d.call_id is null),
    ('appointment_call_mismatch', 'appointment', d.appointment_id, d.call_id is null or d.is_of_other),
    ('tenant_mismatch', 'call', d.call_id, d.appointment_id is null or d.is_other or d.is_foreign),
    ('tenant_mismatch', 'appointment', d.appointment_id, d.call_id is null or d.is_foreign)
) as x (check_name, entity_type, entity_id, is_doubtful)
where x.is_doubtful
union all
select
    x.check_name,
    'call' as entity_type,
    u.id as entity_id
from public.calls as u
cross join lateral (values
    ('call_outcome_without_appointment', u.session_outcome = 'appointment_booked'),
    ('call_booked_without_appointment', u.booking_confirmed),
    ('call_backlink_broken', u.appointment_id is not null),
    ('tenant_mismatch', u.appointment_id is not null)
) as x (check_name, is_doubtful)
where
    case
        when
            u.appointment_made is not true
            and (
                u.session_outcome = 'appointment_booked'
                or u.booking_confirmed
                or u.appointment_id is not null
            )
            then 1
    end = 1
    and x.is_doubtful
union all
select
    x.check_name,
    'call' as entity_type,
    s.id as entity_id
from trueup.suspect_calls as s
cross join lateral (values
    ('call_appointment_not_flagged', s.appointment_made),
    ('call_failed_but_booked', s.appointment_made),
    ('call_backlink_missing', s.appointment_made and s.appointment_id is null)
) as x (check_name, is_doubtful)
where x.is_doubtful
union all
select
    'tenant_mismatch' as check_name,
    'appointment' as entity_type,
    a.id as entity_id
from public.appointments as a
left join public.calls as c on a.call_id = c.id
where
    a.call_id is not null
    and a.deleted_at is not null
    and case when c.id is null or c.company_id <> a.company_id then 1 end = 1
union all
select
    'tenant_mismatch' as check_name,
    'call' as entity_type,
    c.id as entity_id
from (
    select array[g.company_id, g.branch_id, g.phone_number_id] as combination
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
inner join public.calls as c on d.combination = array[c.company_id, c.branch_id, c.phone_number_id]
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
    limit (select 9223372036854775807 as no_limit)
) as d
inner join public.calls as c on d.customer_id = c.customer_id and d.company_id = c.company_id
union all
select
    'tenant_mismatch' as check_name,
    'appointment' as entity_type,
    a.id as entity_id
from (
    select array[g.company_id, g.service_id, g.staff_id, g.branch_id] as combination
    from (
        select
            a.company_id,
            a.branch_id,
            a.service_id,
            a.staff_id
        from public.appointments as a
        group by a.company_id, a.branch_id, a.service_id, a.staff_id
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
inner join public.appointments as a on d.combination = array[a.company_id, a.service_id, a.staff_id, a.branch_id]
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
    limit (select 9223372036854775807 as no_limit)
) as d
inner join public.appointments as a on d.customer_id = a.customer_id and d.company_id = a.company_id
union all
select
    'tenant_mismatch' as check_name,
    t.entity_type,
    t.entity_id
from trueup.tenant_mismatch as t
where t.entity_type not in ('call', 'appointment');
