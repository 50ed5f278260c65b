-- what a synchronisation with the provider writes each time that no check is about
\set id random(:calls + 1, 2 * :calls)
update public.appointments
set
    notes = 'seen',
    sync_attempt_count = sync_attempt_count + 1,
    last_sync_attempted_at = now(),
    updated_at = now()
where id = :id;
