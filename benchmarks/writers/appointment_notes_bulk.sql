-- the same of :rows appointments at once
\set id random(:calls + 1, 2 * :calls - :rows)
\set last :id + :rows - 1
update public.appointments
set
    notes = 'seen',
    sync_attempt_count = sync_attempt_count + 1,
    last_sync_attempted_at = now(),
    updated_at = now()
where id between :id and :last;
