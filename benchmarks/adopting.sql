-- what an application writes while it is adopted: a call that ends, a note, a booking, each a transaction
\set n random(1, :calls)
\set kind random(1, 4)
\if :kind = 1
insert into public.calls (company_id, retell_call_id, from_number, to_number, direction, status, started_at)
values (1 + :n % :companies, 'call_' || md5(random()::text || clock_timestamp()), '+4930' || :n, '+4940' || :n, 'inbound', 'ongoing', now());
\elif :kind = 2
update public.calls set metadata = jsonb_build_object('note', :n) where id = :n and direction is not null;
\elif :kind = 3
update public.appointments set notes = 'moved ' || :n where id = :n;
\else
update public.customers set notes = 'asked ' || :n where id = :n / 10;
\endif
