-- call_failed_but_booked
--
-- invariant:   a call whose booking is said to have failed has no live appointment
-- severity:    warning
-- entity:      call
-- changes:     calls.id, appointments.call_id
-- population:  calls where booking_failed or session_outcome = 'creation_failed'
--              or appointment_link_status = 'creation_failed'
-- prevented:   sync appointments_sync_calls
-- repair:      automatic
-- cost:        appointments and flagged calls, two indexes in order (unflagged_calls); suspect calls by
--              calls_suspect_idx
--
-- A provider may answer with an error although the booking exists, and a retry may have
-- succeeded: the appointment row outranks the flag (decision D3). The reason of the failure is
-- not in the evidence: it is free text of the provider and may quote the caller.

create or replace view trueup.call_failed_but_booked as
select
    c.company_id,
    'call' as entity_type,
    doubtful.call_id as entity_id,
    'the booking is said to have failed, yet a live appointment of this call exists' as description,
    jsonb_build_object(
        'booking_failed', c.booking_failed,
        'session_outcome', c.session_outcome,
        'appointment_link_status', c.appointment_link_status,
        'appointment_ids', array(
            select la.id
            from trueup.live_appointments as la
            where la.call_id = c.id
            order by la.id
        )
    ) as evidence
from (
    select s.id as call_id
    from trueup.suspect_calls as s
    where s.appointment_made
    union all
    select u.call_id
    from trueup.unflagged_calls as u
) as doubtful
inner join public.calls as c on doubtful.call_id = c.id
where
    (
        c.booking_failed
        or c.session_outcome = 'creation_failed'
        or c.appointment_link_status = 'creation_failed'
    )
    and c.deleted_at is null
    and exists (
        select 1
        from trueup.live_appointments as la
        where la.call_id = c.id
    );
