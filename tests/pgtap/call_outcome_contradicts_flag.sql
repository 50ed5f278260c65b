-- call_outcome_contradicts_flag: the fill, then the check, then the repair

begin;
select plan(11);

select factory.company(1);
select factory.call(id => 1);
select factory.call(id => 2);
select factory.call(id => 3, session_outcome => 'appointment_rescheduled');
select factory.call(id => 4, session_outcome => 'information_only');
select factory.call(id => 5, session_outcome => 'appointment_cancelled');
select factory.appointment(id => 11, call_id => 1);
select factory.appointment(id => 13, call_id => 3);
select factory.appointment(id => 15, call_id => 5);
set constraints all immediate;

-- fill
select is(
    (select c.session_outcome from public.calls as c where c.id = 1),
    'appointment_booked',
    'an outcome that is missing follows from the flag'
);
select results_eq(
    'select c.session_outcome from public.calls as c where c.id in (3, 5) order by c.id',
    $$values ('appointment_rescheduled'), ('appointment_cancelled')$$,
    'rescheduled and cancelled stay'
);
select is_empty('select entity_id from trueup.call_outcome_contradicts_flag', 'nothing is reported');

-- check: nothing prevents an opinion that comes after the booking
update public.calls set session_outcome = 'information_only' where id = 1;
select factory.behind_the_back(true);
update public.calls set session_outcome = 'voicemail', appointment_made = true where id = 2;
select factory.behind_the_back(false);

select set_eq(
    'select entity_id from trueup.call_outcome_contradicts_flag',
    array[1, 2]::bigint[],
    'the check lists them; not a call of the same outcome without the flag'
);

-- repair
select is(
    (trueup.repair_call_outcome_contradicts_flag(1)).outcome, 'corrected', 'an appointment proves the flag'
);
select is(
    (select c.session_outcome from public.calls as c where c.id = 1),
    'appointment_booked',
    'and outranks the outcome'
);
select is(
    (trueup.repair_call_outcome_contradicts_flag(2)).outcome, 'review', 'without one the flag itself is in doubt'
);
select row_eq(
    'select c.session_outcome, c.appointment_made from public.calls as c where c.id = 2',
    row('voicemail'::text, true),
    'and neither is changed'
);
select set_eq(
    'select entity_id from trueup.call_outcome_contradicts_flag', array[2]::bigint[], 'still reported'
);
update public.calls set session_outcome = null where id = 1;
select is_empty(
    'select entity_id from trueup.call_outcome_contradicts_flag where entity_id = 1',
    'near miss: no outcome contradicts nothing'
);

-- words outside the vocabulary
select factory.legacy('calls_session_outcome_vocabulary');
select factory.behind_the_back(true);
update public.calls set session_outcome = ' Appointment_Cancelled' where id = 1;
update public.calls set session_outcome = 'Voicemail' where id = 3;
update public.calls set session_outcome = 'abgesagt' where id = 5;
select factory.behind_the_back(false);
select set_eq(
    'select entity_id from trueup.call_outcome_contradicts_flag',
    array[2, 3]::bigint[],
    'another spelling counts as the word it means, and an unknown word is left to a person'
);

select * from finish();
rollback;
