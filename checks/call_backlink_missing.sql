-- call_backlink_missing
--
-- invariant:   a call with an undeleted appointment names one in appointment_id
-- severity:    warning
-- entity:      call
-- changes:     calls.id, appointments.call_id
-- population:  calls where deleted_at is null
-- prevented:   sync appointments_sync_calls; fill calls_fill_appointment
-- repair:      automatic
-- cost:        appointments and flagged calls, two indexes in order (unflagged_calls); suspect calls by
--              calls_suspect_idx
--
-- An appointment of another company that points at the call is tenant_mismatch: to name
-- it would be a second reference between companies.

create or replace view trueup.call_backlink_missing as
select
    c.company_id,
    'call' as entity_type,
    doubtful.call_id as entity_id,
    'an appointment points at this call, which does not point back' as description,
    jsonb_build_object(
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
    where s.appointment_made and s.appointment_id is null
    union all
    select u.call_id
    from trueup.unflagged_calls as u
) as doubtful
inner join public.calls as c on doubtful.call_id = c.id
where
    c.appointment_id is null
    and c.deleted_at is null
    and exists (
        select 1
        from trueup.kept_appointments as ka
        where ka.call_id = c.id and ka.company_id is not distinct from c.company_id
    );
