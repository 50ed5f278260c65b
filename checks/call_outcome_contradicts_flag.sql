-- call_outcome_contradicts_flag
--
-- invariant:   a call flagged appointment_made has an outcome that speaks of an appointment, or none yet
-- severity:    warning
-- entity:      call
-- changes:     calls.id
-- population:  calls where appointment_made
-- prevented:   fill calls_fill_outcome
-- repair:      evidence
-- cost:        suspect calls by calls_suspect_idx
--
-- The fill supplies an outcome that is missing and changes none that is there: the model's
-- opinion may arrive after the booking, and which of the two is wrong takes evidence.
--
-- Another spelling counts as the word it means; a word that means nothing is for a person
-- (call_outcome_unknown), and judged here once it is known.

create or replace view trueup.call_outcome_contradicts_flag as
select
    c.company_id,
    'call' as entity_type,
    c.id as entity_id,
    'flagged appointment_made, but the outcome speaks of no appointment' as description,
    jsonb_build_object(
        'session_outcome', c.session_outcome,
        'appointment_id', c.appointment_id
    ) as evidence
from trueup.suspect_calls as c
where
    c.appointment_made
    and trueup.vocabulary_value('session_outcome', c.session_outcome)
    not in ('appointment_booked', 'appointment_rescheduled', 'appointment_cancelled');
