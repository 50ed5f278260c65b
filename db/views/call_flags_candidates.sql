-- call_flags_candidates
--
-- candidates of: call_made_without_appointment, call_outcome_without_appointment,
--                call_booked_without_appointment, call_appointment_not_flagged,
--                call_backlink_missing, call_backlink_broken, call_failed_but_booked,
--                appointment_call_mismatch
--
-- Where a full run looks for the calls that disagree with their appointments: flagged calls
-- and undeleted appointments side by side, in the order of the calls; two indexes, read once
-- for all these checks, where the view of each reads them for itself. Calls whose outcome or
-- confirmation says booked and whose flag does not, and suspect calls, come in addition.

create or replace view trueup.call_flags_candidates as
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
        f.customer_id <> ka.customer_id as is_of_other
    from (
        select
            c.id,
            c.appointment_id,
            c.customer_id
        from public.calls as c
        where c.appointment_made
    ) as f
    full join (
        select
            k.id,
            k.call_id,
            k.customer_id
        from trueup.kept_appointments as k
        where k.call_id is not null
    ) as ka on f.id = ka.call_id
    -- of an equality the planner expects few rows
    where
        case
            when f.id is null or ka.id is null or f.appointment_id <> ka.id or f.customer_id <> ka.customer_id
                then 1
        end = 1
) as d
cross join lateral (values
    ('call_made_without_appointment', 'call', d.call_id, d.appointment_id is null),
    ('call_outcome_without_appointment', 'call', d.call_id, d.appointment_id is null),
    ('call_booked_without_appointment', 'call', d.call_id, d.appointment_id is null),
    ('call_backlink_broken', 'call', d.call_id, d.appointment_id is null or d.is_other),
    ('call_appointment_not_flagged', 'call', d.of_call_id, d.call_id is null),
    ('call_backlink_missing', 'call', d.of_call_id, d.call_id is null),
    ('call_failed_but_booked', 'call', d.of_call_id, d.call_id is null),
    ('appointment_call_mismatch', 'appointment', d.appointment_id, d.call_id is null or d.is_of_other)
) as x (check_name, entity_type, entity_id, is_doubtful)
where x.is_doubtful
union all
select
    'call_outcome_without_appointment' as check_name,
    'call' as entity_type,
    c.id as entity_id
from public.calls as c
left join public.calls as f on c.id = f.id and f.appointment_made
where
    c.session_outcome = 'appointment_booked'
    and case when f.id is null then 1 end = 1
union all
select
    'call_booked_without_appointment' as check_name,
    'call' as entity_type,
    c.id as entity_id
from public.calls as c
left join public.calls as f on c.id = f.id and f.appointment_made
where
    c.booking_confirmed
    and case when f.id is null then 1 end = 1
union all
select
    x.check_name,
    'call' as entity_type,
    s.id as entity_id
from trueup.suspect_calls as s
cross join lateral (values
    ('call_appointment_not_flagged', s.appointment_made),
    ('call_failed_but_booked', s.appointment_made),
    ('call_backlink_missing', s.appointment_made and s.appointment_id is null),
    ('call_backlink_broken', not s.appointment_made and s.appointment_id is not null)
) as x (check_name, is_doubtful)
where x.is_doubtful;
