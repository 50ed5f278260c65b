-- modification_kind_unknown: the constraint, the check, then the repair

begin;
select plan(7);

select factory.company(1);
select factory.appointment(id => 11);
set constraints all immediate;

select throws_ok(
    $$select factory.modification(id => 1, appointment_id => 11, kind => 'move')$$,
    '23514', null, 'a kind nobody knows is refused'
);
select lives_ok(
    $$
    select factory.modification(id => 1, appointment_id => 11, kind => 'reschedule');
    select factory.modification(id => 2, appointment_id => 11, kind => 'cancel');
    $$,
    'near miss: the words of the vocabulary'
);

set constraints all immediate;
select factory.legacy('appointment_modifications_kind_vocabulary');
select factory.modification(id => 3, appointment_id => 11, kind => 'move');
select factory.modification(id => 4, appointment_id => 11, kind => ' Cancel');
select results_eq(
    'select entity_id, evidence from trueup.modification_kind_unknown order by entity_id',
    $$
    values
    (3::bigint, '{"appointment_id": 11, "kind": "move"}'::jsonb),
    (4, '{"appointment_id": 11, "kind": " Cancel"}')
    $$,
    'the check lists the kind'
);

select is((trueup.repair_modification_kind_unknown(4)).outcome, 'corrected', 'another spelling is corrected');
select is(
    (select m.kind from public.appointment_modifications as m where m.id = 4), 'cancel',
    'to the word of the vocabulary'
);
select is((trueup.repair_modification_kind_unknown(3)).outcome, 'review', 'another word is for a person');
select set_eq(
    'select entity_id from trueup.modification_kind_unknown', array[3]::bigint[], 'and is still reported'
);

select * from finish();
rollback;
