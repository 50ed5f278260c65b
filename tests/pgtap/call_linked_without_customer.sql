-- call_linked_without_customer: the fill, the constraint, the check, then the repair

begin;
select plan(13);

select factory.company(1);
select factory.customer(id => 1, phone => '+491701111111');
set constraints all immediate;

-- fill
select factory.call(id => 1, customer_link_status => 'linked');
select is(
    (select c.customer_link_status from public.calls as c where c.id = 1), 'unlinked',
    'linked to nobody becomes unlinked'
);
select factory.call(id => 2, customer_id => 1, from_number => '+491701111111');
update public.calls set customer_id = null where id = 2;
select row_eq(
    'select c.customer_link_status, c.customer_link_method, c.customer_linked_at from public.calls as c where c.id = 2',
    row('unlinked'::text, null::text, null::timestamptz),
    'so does a call that loses its customer'
);

-- constraint and check
set constraints all immediate;
select factory.behind_the_back(true);
select throws_ok(
    $$
    select factory.call(
        id => 3, customer_link_status => 'linked', customer_link_method => 'unknown',
        customer_linked_at => '2025-10-20 09:00:00+00'
    )
    $$,
    '23514', null, 'without the fill it is refused'
);
select factory.legacy('calls_linked_has_customer', 'calls_link_has_provenance');
select factory.call(
    id => 11, customer_link_status => 'linked', customer_link_method => 'phone_match', customer_link_confidence => 100,
    customer_linked_at => '2025-10-20 09:00:00+00', customer_name => 'Erika Muster'
);
select factory.call(id => 12, customer_link_status => 'linked', from_number => 'anonymous', customer_name => 'ja');
select factory.call(id => 13, customer_link_status => 'linked', deleted_at => '2025-10-21 09:00:00+00');
select factory.call(id => 14, customer_link_status => 'pending_review');
select factory.call(id => 15, customer_id => 1, customer_link_status => 'linked');
select factory.behind_the_back(false);

select set_eq(
    'select entity_id from trueup.call_linked_without_customer', array[11, 12]::bigint[],
    'the check lists them; no deleted call, nothing under review, no customer without a proof'
);
select is_empty(
    'select 1 from trueup.call_link_status_wrong where entity_id in (11, 12)',
    'one fault is reported once: no wrong status'
);
select is_empty(
    'select 1 from trueup.call_link_unproven where entity_id in (11, 12)',
    'and no missing proof'
);

-- repair
select is((trueup.repair_call_linked_without_customer(11)).outcome, 'corrected', 'rule K decides');
select row_eq(
    $$
    select
        c.customer_link_status, c.customer_name, c.customer_link_method, c.customer_link_confidence, c.customer_linked_at
    from public.calls as c where c.id = 11
    $$,
    row('name_only'::text, 'Erika Muster'::text, null::text, null::numeric(5, 2), null::timestamptz),
    'by the name, and the proof of nobody goes'
);
select is((trueup.repair_call_linked_without_customer(12)).outcome, 'corrected', 'a fragment is no name');
select row_eq(
    'select c.customer_link_status, c.customer_name from public.calls as c where c.id = 12',
    row('anonymous'::text, null::text),
    'and is cleared with it'
);
select is_empty('select 1 from trueup.call_linked_without_customer', 'nothing is left');
select is_empty(
    'select 1 from trueup.call_link_status_wrong', 'and the status is the one that rule K gives'
);
select is_empty('select 1 from trueup.call_transcript_name', 'with a name or none');

select * from finish();
rollback;
