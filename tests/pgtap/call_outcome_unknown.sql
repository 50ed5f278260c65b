-- call_outcome_unknown: the constraint, the check, then the repair

begin;
select plan(17);

select factory.company(1);

-- constraint
select throws_ok(
    $$select factory.call(id => 1, session_outcome => 'maybe')$$, '23514', null, 'an outcome nobody knows is refused'
);
select throws_ok(
    $$select factory.call(id => 1, session_outcome => 'Spam')$$, '23514', null, 'so is another spelling: no fill guesses it'
);
select factory.call(id => 1, session_outcome => 'information_only');
select throws_ok(
    $$update public.calls set session_outcome = 'maybe' where id = 1$$, '23514', null, 'on update as well'
);
select lives_ok('update public.calls set session_outcome = null where id = 1', 'near miss: not known yet');
select lives_ok(
    $$
    select factory.call(id => 10 + n::integer, session_outcome => said)
    from unnest(array[
        'appointment_rescheduled', 'appointment_cancelled', 'information_only', 'callback_requested', 'transferred',
        'voicemail', 'abandoned', 'technical_issue', 'spam', 'other'
    ]) with ordinality as s (said, n)
    $$,
    'near misses: every word of the vocabulary'
);
select is_empty('select * from trueup.call_outcome_unknown', 'near misses are silent');

-- check
set constraints all immediate;
select factory.behind_the_back(true);
select factory.legacy('calls_session_outcome_vocabulary');
select factory.call(id => 31, session_outcome => 'Voicemail ');
select factory.call(id => 32, session_outcome => 'maybe');
select factory.call(id => 33, session_outcome => 'maybe', deleted_at => '2025-10-21 09:00:00+00');
select factory.call(id => 34, session_outcome => 'Appointment_Booked');
select factory.call(id => 35, session_outcome => '');
select factory.behind_the_back(false);

select results_eq(
    'select entity_id, evidence from trueup.call_outcome_unknown order by entity_id',
    $$
    values
    (31::bigint, '{"column": "session_outcome", "value": "Voicemail "}'::jsonb),
    (32, '{"column": "session_outcome", "value": "maybe"}'),
    (34, '{"column": "session_outcome", "value": "Appointment_Booked"}'),
    (35, '{"column": "session_outcome", "value": ""}')
    $$,
    'one row for each call, column and value in its evidence; not for a deleted one'
);

-- repair
select is((trueup.repair_call_outcome_unknown(31)).outcome, 'corrected', 'another spelling of a word');
select is((select c.session_outcome from public.calls as c where c.id = 31), 'voicemail', 'is that word');
select is((trueup.repair_call_outcome_unknown(32)).outcome, 'review', 'a word that means nothing is for a person');
select is((select c.session_outcome from public.calls as c where c.id = 32), 'maybe', 'and stays until then');
select is((trueup.repair_call_outcome_unknown(35)).outcome, 'review', 'an empty one is not taken for unknown');
select is(
    (trueup.apply_repair('call_outcome_unknown', 'call', '34')).outcome, 'review',
    'booked, with no appointment: the word would be a claim that nothing proves'
);
select is(
    (select c.session_outcome from public.calls as c where c.id = 34), 'Appointment_Booked', 'so it stays as it is'
);
select set_eq(
    'select entity_id from trueup.call_outcome_unknown',
    array[32, 34, 35]::bigint[],
    'what is under review is still reported'
);
insert into trueup.vocabularies (vocabulary, value, means) values ('session_outcome', 'maybe', 'other');
select is((trueup.repair_call_outcome_unknown(32)).outcome, 'corrected', 'a synonym that a person adds is evidence');
select is((select c.session_outcome from public.calls as c where c.id = 32), 'other', 'and is what it means');

select * from finish();
rollback;
