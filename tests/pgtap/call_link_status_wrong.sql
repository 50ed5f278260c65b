-- call_link_status_wrong: the fill, the check, then the repair

begin;
select plan(14);

select factory.company(1);
select factory.customer(id => 1, phone => '+491701111111');

-- fill
select factory.call(id => 1, from_number => 'anonymous', customer_link_status => 'unlinked');
select factory.call(id => 2, customer_name => 'Erika Muster', customer_link_status => 'anonymous');
select results_eq(
    'select c.customer_link_status from public.calls as c order by c.id',
    $$values ('anonymous'), ('name_only')$$,
    'the status follows number and name'
);

-- check
set constraints all immediate;
select factory.behind_the_back(true);
select factory.legacy('calls_linked_has_customer', 'calls_link_has_provenance');
select factory.call(id => 11, from_number => null);
select factory.call(id => 12, from_number => 'anonymous', customer_name => 'Erika Muster');
select factory.call(id => 13, customer_name => 'Hallo', customer_link_status => 'name_only');
select factory.call(id => 14, customer_link_status => 'anonymous');
select factory.call(id => 15, customer_name => 'Hallo');
select factory.call(id => 16, from_number => 'anonymous', customer_link_status => 'pending_review');
select factory.call(id => 17, from_number => 'anonymous', customer_link_status => 'failed');
select factory.call(id => 18, customer_link_status => 'linked');
select factory.call(id => 19, customer_id => 1, from_number => 'anonymous');
select factory.call(id => 20, from_number => 'anonymous', deleted_at => '2025-10-21 09:00:00+00');
select factory.call(id => 21, customer_name => '', from_number => 'anonymous', customer_link_status => 'anonymous');
select factory.behind_the_back(false);

select results_eq(
    $$select entity_id, evidence ->> 'expected_status' from trueup.call_link_status_wrong order by entity_id$$,
    $$values (11::bigint, 'anonymous'), (12, 'name_only'), (13, 'unlinked'), (14, 'unlinked')$$,
    'the check says what rule K gives; nothing that somebody set, or that has a customer or another fault'
);

-- repair
select is((trueup.repair_call_link_status_wrong(11)).outcome, 'corrected', 'a withheld number');
select is((trueup.repair_call_link_status_wrong(12)).outcome, 'corrected', 'a name');
select is((trueup.repair_call_link_status_wrong(13)).outcome, 'corrected', 'a fragment of speech');
select is((trueup.repair_call_link_status_wrong(14)).outcome, 'corrected', 'a number that was shown');
select results_eq(
    'select c.customer_link_status, c.customer_name from public.calls as c where c.id between 11 and 14 order by c.id',
    $$values ('anonymous', null), ('name_only', 'Erika Muster'), ('unlinked', null), ('unlinked', null)$$,
    'get the status of rule K, and the fragment goes'
);
select is_empty('select 1 from trueup.call_link_status_wrong', 'nothing is left');
select set_eq(
    'select entity_id from trueup.call_transcript_name', array[15]::bigint[],
    'of the fragment no other check has anything left to say'
);

-- the other repair ends in the same row, with the fill or without
select factory.behind_the_back(true);
select factory.call(id => 31, customer_name => 'Hallo', customer_link_status => 'name_only', from_number => 'anonymous');
select factory.call(id => 32, customer_name => 'Hallo', customer_link_status => 'name_only', from_number => 'anonymous');
select is((trueup.repair_call_link_status_wrong(31)).outcome, 'corrected', 'by the status');
select is((trueup.repair_call_transcript_name(32)).outcome, 'corrected', 'by the name');
select results_eq(
    'select c.customer_link_status, c.customer_name from public.calls as c where c.id in (31, 32) order by c.id',
    $$values ('anonymous', null::text), ('anonymous', null)$$,
    'one row'
);

-- words outside the vocabulary
select factory.legacy('calls_customer_link_status_vocabulary');
select factory.call(id => 41, from_number => 'anonymous', customer_link_status => 'Pending_Review');
select factory.call(id => 42, from_number => 'anonymous', customer_link_status => 'Failed');
select factory.call(id => 43, from_number => 'anonymous', customer_link_status => 'in doubt');
select factory.call(id => 44, from_number => 'anonymous', customer_link_status => 'Unlinked');
select factory.call(id => 45, customer_name => 'Hallo', customer_link_status => 'Pending_Review');
select factory.behind_the_back(false);
select set_eq(
    'select entity_id from trueup.call_link_status_wrong', array[44]::bigint[],
    'what somebody set is left alone however it is spelled, and so is a word that nobody knows'
);
select trueup.repair_call_transcript_name(45);
select is(
    (select c.customer_link_status from public.calls as c where c.id = 45), 'pending_review',
    'the repair of the name puts the word in its place'
);

select * from finish();
rollback;
