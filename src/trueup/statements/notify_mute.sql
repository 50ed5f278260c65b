insert into trueup.notification_mutes as m (check_name, company_id, reason, actor, ends_at)
values (
    %(check)s, %(company)s, %(reason)s, coalesce(%(actor)s::text, session_user), clock_timestamp() + %(length)s::interval
)
returning m.id;
