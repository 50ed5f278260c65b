-- call_direction_missing
--
-- invariant:   every call has a direction
-- severity:    warning
-- entity:      call
-- changes:     calls.id
-- population:  calls where deleted_at is null
-- prevented:   fill calls_fill_direction; constraint calls_direction_known
-- repair:      evidence
-- cost:        suspect calls by calls_suspect_idx
--
-- A direction that is a default (metadata.direction_defaulted) is there, and no fact; a
-- word that is no direction is for the check on the vocabulary.

create or replace view trueup.call_direction_missing as
select
    c.company_id,
    'call' as entity_type,
    c.id as entity_id,
    'has no direction' as description,
    jsonb_build_object(
        'direction', c.direction,
        'from_number', trueup.masked(c.from_number),
        'to_number', trueup.masked(c.to_number)
    ) as evidence
from trueup.suspect_calls as c
where nullif(c.direction, '') is null;
