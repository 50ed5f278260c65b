-- the same of :rows calls at once
\set id random(1, 2 * :calls - :rows)
\set last :id + :rows - 1
update public.calls
set disconnection_reason = 'user_hangup', updated_at = now()
where id between :id and :last;
