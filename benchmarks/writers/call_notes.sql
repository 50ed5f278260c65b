-- what telephone webhooks write that no check is about
\set id random(1, 2 * :calls)
update public.calls
set disconnection_reason = 'user_hangup', updated_at = now()
where id = :id;
