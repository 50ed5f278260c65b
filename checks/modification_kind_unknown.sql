-- modification_kind_unknown
--
-- invariant:   the kind of a modification is a word of its vocabulary
-- severity:    warning
-- entity:      modification
-- changes:     appointment_modifications.id
-- population:  appointment_modifications
-- prevented:   constraint appointment_modifications_kind_vocabulary
-- repair:      evidence
-- cost:        one pass over modifications; the vocabulary is read once
--
-- A modification of an unknown kind is left out of the chain of reschedules and proves
-- no cancellation.

create or replace view trueup.modification_kind_unknown as
select
    m.company_id,
    'modification' as entity_type,
    m.id as entity_id,
    'the kind of the modification is not in the vocabulary' as description,
    jsonb_build_object('appointment_id', m.appointment_id, 'kind', m.kind) as evidence
from public.appointment_modifications as m
where m.kind <> all((select trueup.vocabulary_values('modification_kind'))::text[]);
