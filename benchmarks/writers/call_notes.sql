-- what telephone webhooks write that no check is about
\set id random(1, 2 * :calls)
update public.calls
set disconnection_reason = 'user_hangup', requires_manual_processing = false, updated_at = now()
where id = :id;
