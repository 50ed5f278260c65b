-- idempotency_key_stuck
--
-- invariant:   every request that was begun is finished before its lease ends
-- severity:    warning
-- entity:      request
-- changes:     trueup.idempotency_keys.id, time
-- population:  trueup.idempotency_keys where status <> 'finished'
-- prevented:   none: a runner may die between the provider's answer and its own
-- repair:      review
-- cost:        unfinished requests only, by idempotency_keys_unfinished_idx
--
-- Of trueup.begin_request: one whose runner never told how it ended, one that must be
-- completed and is not, and one of unknown outcome, until a person has settled it
-- (trueup.settle_request). What was requested is not in the evidence.

create or replace view trueup.idempotency_key_stuck as
select
    ik.company_id,
    'request' as entity_type,
    ik.id as entity_id,
    case ik.status
        when 'unknown' then 'nobody knows how the request ended'
        else 'the request was begun and is not finished'
    end as description,
    jsonb_build_object(
        'scope', ik.scope,
        'key', ik.key,
        'attempt', ik.attempt,
        'status', ik.status,
        'lease_expires_at', ik.lease_expires_at
    ) as evidence
from trueup.idempotency_keys as ik
where
    ik.status <> 'finished'
    and (ik.lease_expires_at is null or ik.lease_expires_at <= now());
