-- call_booked_without_appointment
--
-- invariant:   a call with booking_confirmed has an undeleted appointment of its own
-- severity:    critical
-- entity:      call
-- changes:     calls.id, appointments.call_id
-- population:  calls where booking_confirmed
-- prevented:   guard
-- repair:      evidence
-- cost:        flagged calls and appointments, two indexes in order, and calls_unflagged_idx
--              (calls_and_appointments_candidates); of some calls a probe of appointments_call_id_idx each
--
-- booking_confirmed is what the provider answered. An appointment that points at the
-- call is enough here, whatever the call says; the link back is call_backlink_missing.
-- The evidence names the provider booking, if booking_details proves one.

create or replace view trueup.call_booked_without_appointment as
select
    c.company_id,
    'call' as entity_type,
    doubtful.call_id as entity_id,
    'booking confirmed, but no appointment of this call exists' as description,
    jsonb_build_object(
        'booking_id', c.booking_id,
        'proof', (
            select jsonb_build_object(
                'booking_uid', bp.booking_uid,
                'booking_number', bp.booking_number,
                'provider_status', bp.provider_status
            )
            from trueup.booking_proofs as bp
            where bp.call_id = c.id
        ),
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
        f.booking_confirmed
        and case when ka.id is null then 1 end = 1
    group by f.id
) as doubtful
inner join public.calls as c on doubtful.call_id = c.id
where
    c.booking_confirmed
    and c.deleted_at is null
    and not exists (
        select 1
        from trueup.kept_appointments as ka
        where ka.call_id = c.id
    );
