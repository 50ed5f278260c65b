-- call_outcome_unknown
--
-- invariant:   the session_outcome of an undeleted call, once known, is a word of its vocabulary
-- severity:    warning
-- entity:      call
-- changes:     calls.id
-- population:  calls where session_outcome is not null and deleted_at is null
-- prevented:   constraint calls_session_outcome_vocabulary
-- repair:      evidence
-- cost:        suspect calls by calls_suspect_idx; the vocabulary is read once

create or replace view trueup.call_outcome_unknown as
select
    c.company_id,
    'call' as entity_type,
    c.id as entity_id,
    'session_outcome is outside its vocabulary' as description,
    jsonb_build_object('column', 'session_outcome', 'value', c.session_outcome) as evidence
from trueup.suspect_calls as c
where c.session_outcome <> all((select trueup.vocabulary_values('session_outcome'))::text[]);
