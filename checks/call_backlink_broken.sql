-- call_backlink_broken
--
-- invariant:   the appointment that a call names in appointment_id is undeleted and points back at this call
-- severity:    critical
-- entity:      call
-- changes:     calls.id, appointments.call_id, appointments.id via appointment_id
-- population:  calls where appointment_id is not null
-- prevented:   guard; sync appointments_sync_calls
-- repair:      evidence
-- cost:        flagged calls and appointments, two indexes in order (as in unflagged_calls); suspect
--              calls by calls_suspect_idx
--
-- The appointment may belong to another call (decision D2: the call that created it) or to
-- none, be deleted, or not be there at all on a legacy table without the foreign key. What
-- changes this verdict changes an appointment whose call_id is, or was, this call.

create or replace view trueup.call_backlink_broken as
select
    c.company_id,
    'call' as entity_type,
    doubtful.call_id as entity_id,
    'names an appointment that is deleted or is not its own' as description,
    jsonb_build_object(
        'appointment_id', c.appointment_id,
        'appointment_exists', a.id is not null,
        'appointment_call_id', a.call_id,
        'appointment_deleted_at', a.deleted_at,
        'own_appointment_ids', array(
            select ka.id
            from trueup.kept_appointments as ka
            where ka.call_id = c.id
            order by ka.id
        )
    ) as evidence
from (
    select f.id as call_id
    from public.calls as f
    left join trueup.kept_appointments as ka on f.id = ka.call_id and f.appointment_id = ka.id
    where
        f.appointment_made
        and case when ka.id is null then 1 end = 1
    group by f.id
    union all
    select s.id
    from trueup.suspect_calls as s
    where not s.appointment_made and s.appointment_id is not null
) as doubtful
inner join public.calls as c on doubtful.call_id = c.id
left join public.appointments as a on c.appointment_id = a.id
where
    c.appointment_id is not null
    and c.deleted_at is null
    and not exists (
        select 1
        from trueup.kept_appointments as ka
        where ka.id = c.appointment_id and ka.call_id = c.id
    );
