-- a call as the telephone reports it first: nothing known of the caller but the number
\set n :n + 1
insert into public.calls (
    company_id, branch_id, phone_number_id, retell_call_id, from_number, to_number, direction, status, started_at
) values (
    1 + :n % 10, 1 + :n % 10, 1 + :n % 10, 'call_' || md5('arrives ' || :n), '+4917' || lpad(:n::text, 9, '0'),
    '+4930100000' || 1 + :n % 10, 'inbound', 'ongoing', now()
);
