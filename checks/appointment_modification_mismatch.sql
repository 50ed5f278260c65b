-- appointment_modification_mismatch
--
-- invariant:   the reschedules of an appointment form a chain that ends at its start
-- severity:    warning
-- entity:      appointment
-- changes:     appointments.id, appointment_modifications.appointment_id
-- population:  appointments where deleted_at is null
-- prevented:   none: the reschedule and the new start may come from different events, in either order
-- repair:      review
-- cost:        one pass over reschedules, in order per appointment; their appointments by primary key
--
-- Wrong when the last reschedule went to another start than the appointment has, or when
-- one began elsewhere than the one before it ended. A time that was not recorded
-- contradicts nothing. entity_id is the column of the inner group, so that a read of one
-- appointment reaches the index on modifications.

create or replace view trueup.appointment_modification_mismatch as
select
    ka.company_id,
    'appointment' as entity_type,
    chain.appointment_id as entity_id,
    case
        when chain.broken_ids is null
            then 'the last reschedule went to another start than the appointment has'
        else 'a reschedule began elsewhere than the one before it ended'
    end as description,
    jsonb_build_object(
        'starts_at', ka.starts_at,
        'last_modification_id', chain.last_id,
        'last_new_starts_at', chain.last_new_starts_at,
        'broken_modification_ids', coalesce(chain.broken_ids, '{}')
    ) as evidence
from (
    select
        step.appointment_id,
        (array_agg(step.id order by step.created_at desc, step.id desc))[1] as last_id,
        (array_agg(step.new_starts_at order by step.created_at desc, step.id desc))[1] as last_new_starts_at,
        array_agg(step.id order by step.id) filter (
            where step.old_starts_at <> step.previous_new_starts_at
        ) as broken_ids
    from (
        select
            m.id,
            m.appointment_id,
            m.created_at,
            m.old_starts_at,
            m.new_starts_at,
            lag(m.new_starts_at) over (
                partition by m.appointment_id order by m.created_at, m.id
            ) as previous_new_starts_at
        from public.appointment_modifications as m
        where m.kind = 'reschedule'
    ) as step
    group by step.appointment_id
) as chain
inner join trueup.kept_appointments as ka on chain.appointment_id = ka.id
where
    chain.last_new_starts_at <> ka.starts_at
    or chain.broken_ids is not null;
