-- call_id_malformed
--
-- invariant:   the retell_call_id of an undeleted call has the provider's form
-- severity:    warning
-- entity:      call
-- changes:     calls.id
-- population:  calls where deleted_at is null
-- prevented:   none: a placeholder is stored while the real id is not known yet
-- repair:      review
-- cost:        suspect calls by calls_suspect_idx
--
-- The form: call_ and 27 hexadecimal digits. A tool call often carries a placeholder in
-- its arguments; the call stored under it gets no further event of the provider.

create or replace view trueup.call_id_malformed as
select
    c.company_id,
    'call' as entity_type,
    c.id as entity_id,
    'retell_call_id is not of the provider''s form' as description,
    jsonb_build_object('retell_call_id', c.retell_call_id) as evidence
from trueup.suspect_calls as c
where c.retell_call_id !~ '^call_[0-9a-f]{27}$';
