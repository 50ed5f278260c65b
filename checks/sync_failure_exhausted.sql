-- sync_failure_exhausted
--
-- invariant:   a synchronisation whose tries are used up is with a person
-- severity:    warning
-- entity:      sync_failure
-- changes:     trueup.sync_failures.id, time
-- population:  trueup.sync_failures where status = 'pending'
-- prevented:   none: who writes the table by hand, or dies on the last try, hands nothing over
-- repair:      automatic
-- cost:        failures that are used up, by sync_failures_exhausted_idx
--
-- One that a worker is trying for the last time waits for the end of its lease.
-- trueup.finish_sync_failure hands the failure over by itself, and so does
-- trueup.claim_sync_failures with those whose worker never came back.

create or replace view trueup.sync_failure_exhausted as
select
    f.company_id,
    'sync_failure' as entity_type,
    f.id as entity_id,
    'all tries are used up, and nobody has been told' as description,
    jsonb_build_object(
        'operation', f.operation,
        'appointment_id', f.appointment_id,
        'attempt_count', f.attempt_count,
        'max_attempts', f.max_attempts
    ) as evidence
from trueup.sync_failures as f
where
    f.status = 'pending'
    and f.attempt_count >= f.max_attempts
    and (f.lease_expires_at is null or f.lease_expires_at <= now());
