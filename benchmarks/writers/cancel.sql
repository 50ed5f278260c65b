-- a booking is cancelled
\set n :n + 1
\set id :calls + :n
update public.appointments
set status = 'cancelled', cancelled_at = now(), updated_at = now()
where id = :id;
