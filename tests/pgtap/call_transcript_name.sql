-- call_transcript_name: the fill, the check, then the repair

begin;
select plan(14);

select factory.company(1);
select factory.company(2);
select factory.customer(id => 1);
insert into trueup.unusable_names (company_id, phrase) values (2, 'moment');

-- fill
select factory.call(id => 1, customer_name => 'Gleich fertig...');
select is((select c.customer_name from public.calls as c where c.id = 1), null, 'a fragment is not stored');
select factory.call(id => 2, customer_name => 'Danke Schön');
select is(
    (select c.customer_name from public.calls as c where c.id = 2), 'Danke Schön',
    'near miss: a name is'
);

-- check
set constraints all immediate;
select factory.behind_the_back(true);
select factory.call(id => 11, customer_name => 'MIR  nicht!', customer_link_status => 'name_only', from_number => 'anonymous');
select factory.call(id => 12, customer_name => 'ja', customer_id => 1);
select factory.call(id => 13, customer_name => 'ja', customer_link_status => 'pending_review');
select factory.call(id => 14, customer_name => 'moment', company_id => 2);
select factory.call(id => 15, customer_name => 'moment', customer_link_status => 'name_only');
select factory.call(id => 16, customer_name => '');
select factory.call(id => 17, customer_name => 'ja', deleted_at => '2025-10-21 09:00:00+00');
insert into trueup.unusable_names (company_id, phrase) values (1, 'ja');
select factory.behind_the_back(false);

select results_eq(
    'select entity_id, evidence ->> ''phrase'' from trueup.call_transcript_name order by entity_id',
    $$values (11::bigint, 'mir nicht'), (12, 'ja'), (13, 'ja'), (14, 'moment')$$,
    'each once; no empty name, no phrase of another company, no deleted call'
);

-- repair
select is((trueup.repair_call_transcript_name(11)).outcome, 'corrected', 'the fragment is cleared');
select row_eq(
    'select c.customer_name, c.customer_link_status from public.calls as c where c.id = 11',
    row(null::text, 'anonymous'::text),
    'and the status follows'
);
select is((trueup.repair_call_transcript_name(12)).outcome, 'corrected', 'with a customer as well');
select row_eq(
    'select c.customer_name, c.customer_link_status, c.customer_link_method from public.calls as c where c.id = 12',
    row(null::text, 'unlinked'::text, null::text),
    'whose link is not this repair''s to judge'
);
select is_empty(
    'select 1 from trueup.call_link_unproven where entity_id = 12',
    'so that no other check has something new to report'
);
select is((trueup.repair_call_transcript_name(13)).outcome, 'corrected', 'while it waits for a person, too');
select row_eq(
    'select c.customer_name, c.customer_link_status from public.calls as c where c.id = 13',
    row(null::text, 'pending_review'::text),
    'and goes on waiting'
);
select is(
    (trueup.repair_call_transcript_name(14)).evidence ->> 'phrase', 'moment',
    'the evidence keeps the phrase'
);
select is_empty('select 1 from trueup.call_transcript_name', 'nothing is left');
select is_empty(
    'select 1 from trueup.call_link_status_wrong where entity_id in (11, 13, 14)',
    'nor a wrong status in its place'
);
select is(
    (select c.customer_name from public.calls as c where c.id = 15), 'moment',
    'near miss: the name of somebody elsewhere'
);

select * from finish();
rollback;
