-- call_appointment_not_flagged
--
-- invariant:   a call with an undeleted appointment is flagged appointment_made and linked,
--              with the time of linking
-- severity:    warning
-- entity:      call
-- changes:     calls.id, appointments.call_id
-- population:  calls where deleted_at is null
-- prevented:   sync appointments_sync_calls; fill calls_fill_appointment
-- repair:      automatic
-- cost:        appointments and flagged calls, two indexes in order (unflagged_calls); suspect calls by
--              calls_suspect_idx
--
-- The converse is call_made_without_appointment. That appointment_id names the
-- appointment is call_backlink_missing and call_backlink_broken.

create or replace view trueup.call_appointment_not_flagged as
select
    c.company_id,
    'call' as entity_type,
    doubtful.call_id as entity_id,
    'has an appointment, but is not flagged or not linked' as description,
    jsonb_build_object(
        'appointment_made', c.appointment_made,
        'appointment_link_status', c.appointment_link_status,
        'appointment_linked_at', c.appointment_linked_at,
        'appointment_ids', array(
            select ka.id
            from trueup.kept_appointments as ka
            where ka.call_id = c.id
            order by ka.id
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
        not c.appointment_made
        or c.appointment_link_status <> 'linked'
        or c.appointment_linked_at is null
    )
    and c.deleted_at is null
    and exists (
        select 1
        from trueup.kept_appointments as ka
        where ka.call_id = c.id
    );
