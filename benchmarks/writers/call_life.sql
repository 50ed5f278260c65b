-- the life of a call without a booking: it arrives, it ends, the caller is found
\set n :n + 1
begin;
insert into public.calls (
    company_id, branch_id, phone_number_id, retell_call_id, from_number, to_number, direction, status, started_at
) values (
    1 + :n % 10, 1 + :n % 10, 1 + :n % 10, 'call_' || md5('life ' || :n), '+4915' || lpad((1 + :n % 1000)::text, 9, '0'),
    '+4930100000' || 1 + :n % 10, 'inbound', 'ongoing', now()
) returning id as call \gset
commit;
begin;
update public.calls
set status = 'ended', ended_at = started_at + interval '1 minute', duration_ms = 60000, call_type = 'phone_call'
where id = :call;
commit;
begin;
update public.calls
set
    customer_id = 1 + :n % 1000,
    customer_link_status = 'linked',
    customer_link_method = 'phone_match',
    customer_link_confidence = 100,
    customer_linked_at = now(),
    session_outcome = 'information_only'
where id = :call;
commit;
