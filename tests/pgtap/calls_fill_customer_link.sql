-- calls_fill_customer_link: what follows from a customer, from another one, and from none

begin;
select plan(52);

select factory.company(1);
select factory.phone_number(id => 1, number => '+493012345678');
select factory.customer(id => 1, phone => '0049 170 1111111');
select factory.customer(id => 2, phone => '+491702222222');
select factory.customer(id => 3);
set constraints all immediate;

create function pg_temp.link(p_id bigint) returns text language sql as $$
select concat_ws(
    ' ', c.customer_link_status, c.customer_link_method, c.customer_link_confidence,
    case when c.customer_linked_at = now() then 'now' else left(c.customer_linked_at::text, 10) end
)
from public.calls as c
where c.id = p_id;
$$;

-- a customer, on insert
select factory.call(id => 1, customer_id => 1, from_number => '+49 170 111 1111');
select is(pg_temp.link(1), 'linked phone_match 100.00 now', 'the caller''s number proves it');
select factory.call(id => 2, customer_id => 1);
select is(pg_temp.link(2), 'linked unknown now', 'nothing proves it: linked, and no confidence is invented');
select factory.call(id => 3, customer_id => 3, from_number => 'anonymous');
select is(pg_temp.link(3), 'linked unknown now', 'a withheld number matches no customer without a number');
select factory.call(
    id => 4, customer_id => 1, customer_link_method => 'manual_link', customer_link_confidence => 80,
    customer_linked_at => '2025-10-20 09:00:00+00', from_number => '+491701111111'
);
select is(pg_temp.link(4), 'linked manual_link 80.00 2025-10-20', 'what is given stays');
select factory.call(id => 5, customer_id => 1, customer_link_method => 'ai_match', from_number => '+491701111111');
select is(pg_temp.link(5), 'linked ai_match now', 'also a method without confidence');
select factory.call(
    id => 6, customer_id => 1, customer_link_status => 'pending_review', customer_link_method => 'name_match'
);
select is(pg_temp.link(6), 'pending_review name_match', 'near miss: what waits for a person is not linked');
select factory.call(id => 7, customer_id => 2, direction => 'outbound', to_number => '+491702222222');
select is(pg_temp.link(7), 'linked phone_match 100.00 now', 'whom we call is the customer');
select factory.call(
    id => 8, customer_id => 2, direction => null, from_number => '+493012345678', to_number => '+491702222222'
);
select is(pg_temp.link(8), 'linked phone_match 100.00 now', 'also when the direction is still to be filled');
select factory.call(id => 9, customer_id => 2, to_number => '+491702222222');
select is(
    pg_temp.link(9), 'linked unknown now',
    'near miss: the number called proves nothing of an inbound call'
);

-- an upsert finds in EXCLUDED what the fill puts into the row
create function pg_temp.upsert(p_id bigint, p_customer_id bigint, p_from_number text default null)
    returns text language sql as $$
insert into public.calls as c (company_id, retell_call_id, customer_id, from_number)
select o.company_id, o.retell_call_id, p_customer_id, p_from_number from public.calls as o where o.id = p_id
on conflict (company_id, retell_call_id) do update set
    customer_id = excluded.customer_id,
    customer_link_status = excluded.customer_link_status,
    customer_link_method = coalesce(excluded.customer_link_method, c.customer_link_method),
    customer_link_confidence = coalesce(excluded.customer_link_confidence, c.customer_link_confidence),
    customer_linked_at = coalesce(excluded.customer_linked_at, c.customer_linked_at)
returning c.id;
select pg_temp.link(p_id);
$$;
select is(pg_temp.upsert(4, 1), 'linked manual_link 80.00 2025-10-20', 'what is stored is not replaced by a guess');
select is(
    pg_temp.upsert(4, 1, '+491701111111'), 'linked manual_link 80.00 2025-10-20', 'nor by a number that matches'
);
select is(pg_temp.upsert(6, 1), 'pending_review name_match', 'what waits for a person goes on waiting');
select factory.call(
    id => 71, customer_id => 1, customer_link_method => 'manual_link', customer_link_confidence => 80,
    customer_linked_at => '2025-10-20 09:00:00+00'
);
select is(pg_temp.upsert(71, 2), 'linked unknown now', 'near miss: another customer has another proof, or none');
select factory.call(id => 20);
select is(pg_temp.upsert(20, 1, '+491701111111'), 'linked phone_match 100.00 now', 'near miss: nothing was stored');

-- no customer, on insert: rule K
select factory.call(id => 11);
select is(pg_temp.link(11), 'unlinked', 'nothing known');
select factory.call(id => 12, from_number => ' Anonymous');
select is(pg_temp.link(12), 'anonymous', 'a withheld number');
select factory.call(id => 13, from_number => 'anonymous', customer_name => 'Erika Muster');
select is(pg_temp.link(13), 'name_only', 'a name comes before it');
select factory.call(id => 14, from_number => 'anonymous', customer_name => 'Guten Tag!');
select is(pg_temp.link(14), 'anonymous', 'a fragment of speech does not');
select is((select c.customer_name from public.calls as c where c.id = 14), null, 'and is cleared');
select factory.call(id => 15, customer_name => 'Guten Tag Muster');
select is(
    (select c.customer_name from public.calls as c where c.id = 15), 'Guten Tag Muster',
    'near miss: a name with more to it'
);
select factory.call(id => 16, customer_id => 1, customer_name => 'ja, bitte', from_number => '+491701111111');
select is(
    (select c.customer_name from public.calls as c where c.id = 16), null,
    'cleared with a customer as well'
);
select is(pg_temp.link(16), 'linked phone_match 100.00 now', 'who stays linked');
select factory.call(
    id => 17, customer_link_status => 'linked', customer_link_method => 'phone_match', customer_link_confidence => 100,
    customer_linked_at => '2025-10-20 09:00:00+00'
);
select is(pg_temp.link(17), 'unlinked', 'linked to nobody is not linked, and proves nothing');
select factory.call(id => 18, customer_link_status => 'failed');
select is(pg_temp.link(18), 'failed', 'near miss: failed is what somebody said');
select factory.call(id => 10, customer_link_status => 'Pending_Review');
select is(pg_temp.link(10), 'pending_review', 'and so is another spelling of what waits for a person');
select factory.call(id => 19, customer_link_status => 'pending_review', customer_link_method => 'name_match');
select is(
    pg_temp.link(19), 'pending_review name_match',
    'near miss: so is pending_review, with its candidate''s method'
);

-- on update
update public.calls set customer_id = 1 where id = 11;
select is(pg_temp.link(11), 'linked unknown now', 'a customer who is set');
update public.calls set from_number = '+491701111111' where id = 11;
select is(pg_temp.link(11), 'linked phone_match 100.00 now', 'is proven by a number that comes later');
update public.calls set customer_id = 2 where id = 4;
select is(pg_temp.link(4), 'linked unknown now', 'another customer: what proved the former one goes');
update public.calls
set
    customer_id = 1, customer_link_method = 'manual_link', customer_link_confidence = 90,
    customer_linked_at = '2025-10-21 09:00:00+00'
where id = 4;
select is(pg_temp.link(4), 'linked manual_link 90.00 2025-10-21', 'unless a new proof comes with it');
update public.calls set customer_id = 2, customer_linked_at = '2025-10-22 09:00:00+00' where id = 4;
select is(
    pg_temp.link(4), 'linked manual_link 90.00 2025-10-22',
    'also by the same method, when its time is new'
);
update public.calls set customer_id = 3, customer_link_method = 'name_match' where id = 4;
select is(pg_temp.link(4), 'linked name_match now', 'a new method does not inherit the old confidence');
update public.calls set customer_id = null where id = 4;
select is(pg_temp.link(4), 'unlinked', 'no customer any more: rule K, and no proof');
update public.calls set customer_id = null where id = 6;
select is(pg_temp.link(6), 'pending_review', 'near miss: that still waits for a person, without the proof');
update public.calls set customer_id = 2 where id = 6;
select is(pg_temp.link(6), 'pending_review', 'and does so with a new customer');
update public.calls set customer_link_status = 'linked' where id = 6;
select is(pg_temp.link(6), 'linked unknown now', 'until the person says linked');
update public.calls set customer_link_status = 'unlinked', customer_link_method = null where id = 1;
select is(pg_temp.link(1), 'linked phone_match 100.00 now', 'a writer cannot unset what the customer says');
update public.calls set customer_link_status = 'name_only' where id = 12;
select is(pg_temp.link(12), 'anonymous', 'nor what rule K says');
update public.calls set customer_name = 'Erika Muster' where id = 12;
select is(pg_temp.link(12), 'name_only', 'a name that comes later counts');
update public.calls set customer_name = 'Hallo?' where id = 12;
select is(pg_temp.link(12), 'anonymous', 'a fragment that comes later is cleared first');
update public.calls set from_number = '+491703333333' where id = 12;
select is(pg_temp.link(12), 'unlinked', 'and so does a number');
insert into trueup.unusable_names (company_id, phrase) values (1, 'moment'), (2, 'augenblick');
update public.calls set customer_name = 'Moment' where id = 12;
select is(pg_temp.link(12), 'unlinked', 'the stop list may be the company''s own');
update public.calls set customer_name = 'Augenblick' where id = 12;
select is(pg_temp.link(12), 'name_only', 'near miss: not another company''s');

-- legacy rows
set constraints all immediate;
select factory.behind_the_back(true);
select factory.legacy('calls_linked_has_customer', 'calls_link_has_provenance');
select factory.call(id => 31, customer_id => 1, customer_name => 'ja');
select factory.call(id => 32, customer_id => 1, customer_link_status => 'linked');
select factory.call(id => 33, customer_link_status => 'linked', from_number => 'anonymous');
select factory.call(id => 34, customer_name => 'ja', customer_link_status => 'name_only');
select factory.behind_the_back(false);
update public.calls set status = 'analyzed' where id between 31 and 34;
select is(pg_temp.link(31), 'unlinked', 'an update of something else does not link');
select is(pg_temp.link(32), 'linked unknown now', 'but completes what a constraint would refuse');
select is(pg_temp.link(33), 'anonymous', 'with a customer or without');
select is(pg_temp.link(34), 'name_only', 'and leaves alone what none would');
update public.calls set customer_name = null where id = 31;
select is(pg_temp.link(31), 'unlinked', 'a name that goes does not link either');
update public.calls set customer_link_status = 'unlinked', customer_name = 'ja' where id = 34;
select is(pg_temp.link(34), 'unlinked', 'a status that is written is judged');

-- who does not concern it does not call it
set constraints all immediate;
create or replace function trueup.calls_fill_customer_link() returns trigger language plpgsql as $$
begin
    raise exception 'called';
end;
$$;
select lives_ok(
    'update public.calls set status = ''ended'', session_outcome = ''other''',
    'an update of something else does not call the fill'
);
select lives_ok(
    $$
    update public.calls
    set customer_id = customer_id, customer_name = customer_name, customer_link_status = customer_link_status
    $$,
    'nor one that writes what is there'
);
select throws_ok(
    'update public.calls set customer_name = ''Max Muster'' where id = 12', 'P0001', 'called', 'a change does'
);

select * from finish();
rollback;
