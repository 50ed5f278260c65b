-- call_backlink_broken
--
-- invariant:   the appointment that a call names in appointment_id is undeleted and points back at this call
-- severity:    critical
-- entity:      call
-- changes:     calls.id, appointments.call_id, appointments.id via appointment_id
-- population:  calls where appointment_id is not null
-- prevented:   guard; sync appointments_sync_calls
-- repair:      evidence
-- cost:        a scan of calls that name an appointment; one probe of the key of appointments each
--
-- The appointment may belong to another call (decision D2: the call that created it) or to
-- none, be deleted, or not be there at all on a legacy table without the foreign key. What
-- changes this verdict changes an appointment whose call_id is, or was, this call.

create or replace view trueup.call_backlink_broken as
select
    c.company_id,
    'call' as entity_type,
    c.id as entity_id,
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
from public.calls as c
left join public.appointments as a on c.appointment_id = a.id
where
    c.appointment_id is not null
    and c.deleted_at is null
    and not exists (
        select 1
        from trueup.kept_appointments as ka
        where ka.id = c.appointment_id and ka.call_id = c.id
    );
