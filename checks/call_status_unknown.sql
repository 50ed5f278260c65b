-- call_status_unknown
--
-- invariant:   the status of an undeleted call is a word of its vocabulary
-- severity:    warning
-- entity:      call
-- changes:     calls.id
-- population:  calls where deleted_at is null
-- prevented:   constraint calls_status_vocabulary; fill calls_fill_status
-- repair:      evidence
-- cost:        suspect calls by calls_suspect_idx; the vocabulary is read once

create or replace view trueup.call_status_unknown as
select
    c.company_id,
    'call' as entity_type,
    c.id as entity_id,
    'status is outside its vocabulary' as description,
    jsonb_build_object('column', 'status', 'value', c.status) as evidence
from trueup.suspect_calls as c
where c.status <> all((select trueup.vocabulary_values('call_status'))::text[]);
