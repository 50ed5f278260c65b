-- an appointment is closed, or opened again; each client has its own
\set id :calls + 1 + :client_id * 1000 + random(0, 999)
update public.appointments
set status = case when status = 'completed' then 'confirmed' else 'completed' end, updated_at = now()
where id = :id;
