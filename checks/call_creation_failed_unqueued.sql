-- call_creation_failed_unqueued
--
-- invariant:   a call whose appointment could not be created has been handed to a person
-- severity:    critical
-- entity:      call
-- changes:     calls.id, appointments.call_id, trueup.manual_review_queue.entity_id
-- population:  calls where booking_details is not null
-- prevented:   none: a failure at the provider happens outside the database
-- repair:      automatic
-- cost:        suspect calls by calls_suspect_idx; probes appointments and queue for those that say failed
--
-- booking_details says appointment_creation_failed. A call that has an appointment by
-- now, created later by hand or by the backfill, needs nobody. A queue item that somebody
-- has decided counts as well: what a person closed is not put back before them. An open
-- item that asks for another reason where the appointment is has told somebody, too. One under
-- the name of this check, which a repair that was refused leaves, does not count: it would end
-- the violation, and a run closes it when the violation ends.

create or replace view trueup.call_creation_failed_unqueued as
select
    c.company_id,
    'call' as entity_type,
    c.id as entity_id,
    'the appointment could not be created, and nobody has been told' as description,
    jsonb_build_object(
        'booking_id', c.booking_id,
        'appointment_link_status', c.appointment_link_status,
        'requires_manual_processing', c.requires_manual_processing
    ) as evidence
from trueup.suspect_calls as c
where
    c.booking_details is not null
    and trueup.creation_failed(c.booking_details)
    and not exists (
        select 1
        from trueup.kept_appointments as ka
        where ka.call_id = c.id
    )
    and not exists (
        select 1
        from trueup.manual_review_queue as q
        where
            q.entity_type = 'call'
            and q.entity_id = c.id::text
            and (
                q.reason = 'provider_booking_failed'
                or (
                    q.status in ('pending', 'in_progress')
                    and q.reason in (
                        'validation_failed', 'customer_creation_failed', 'service_unknown',
                        'call_booked_without_appointment', 'call_made_without_appointment',
                        'call_outcome_without_appointment', 'call_creation_pending_stale'
                    )
                )
            )
    );
