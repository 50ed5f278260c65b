update trueup.notification_mutes as m
set ends_at = clock_timestamp(), lifted_by = coalesce(%(actor)s::text, session_user)
where m.ends_at > clock_timestamp() and (%(id)s::bigint is null or m.id = %(id)s::bigint)
returning m.id;
