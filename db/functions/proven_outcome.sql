-- proven_outcome(outcome): what a call's session_outcome is once its appointment is proven
--
-- For repairs that flag a call by its appointment, which outranks what was derived from the
-- conversation (decision D3): an outcome that denies it gives way, or the flag would contradict
-- it (call_outcome_contradicts_flag) and nobody could raise it. Another spelling becomes the
-- word; a word that means nothing stays, for a person (call_outcome_unknown). NULL stays, and
-- calls_fill_outcome completes it.

create or replace function trueup.proven_outcome(p_outcome text)
    returns text
    language sql
    stable
    parallel safe
return case
    when
        trueup.vocabulary_value('session_outcome', p_outcome)
        not in ('appointment_booked', 'appointment_rescheduled', 'appointment_cancelled')
        then 'appointment_booked'
    else coalesce(trueup.vocabulary_value('session_outcome', p_outcome), p_outcome)
end;
