-- call_outcome_without_appointment
--
-- invariant:   a call with outcome appointment_booked has an undeleted appointment of its own
-- severity:    critical
-- entity:      call
-- changes:     calls.id, appointments.call_id
-- population:  calls where session_outcome = 'appointment_booked'
-- prevented:   guard; sync appointments_sync_calls
-- repair:      evidence
-- cost:        flagged calls and appointments, two indexes in order, and calls_unflagged_idx
--              (calls_and_appointments_candidates); of some calls a probe of appointments_call_id_idx each
--
-- The outcome is an opinion on the conversation. It never becomes a flag: "the outcome
-- says booked, so set made" is how phantom bookings come about.

create or replace view trueup.call_outcome_without_appointment as
select
    c.company_id,
    'call' as entity_type,
    doubtful.call_id as entity_id,
    'outcome appointment_booked, but no appointment of this call exists' as description,
    jsonb_build_object(
        'booking_id', c.booking_id,
        'appointment_made', c.appointment_made,
        'appointment_id', c.appointment_id,
        'deleted_appointment_ids', array(
            select a.id
            from public.appointments as a
            where a.call_id = c.id and a.deleted_at is not null
            order by a.id
        )
    ) as evidence
from (
    select f.id as call_id
    from public.calls as f
    left join trueup.kept_appointments as ka on f.id = ka.call_id
    where
        f.session_outcome = 'appointment_booked'
        and case when ka.id is null then 1 end = 1
    group by f.id
) as doubtful
inner join public.calls as c on doubtful.call_id = c.id
where
    c.session_outcome = 'appointment_booked'
    and c.deleted_at is null
    and not exists (
        select 1
        from trueup.kept_appointments as ka
        where ka.call_id = c.id
    );
