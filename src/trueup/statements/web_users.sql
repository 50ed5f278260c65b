select
    u.name,
    u.role,
    u.companies,
    u.language,
    u.password_hash is not null as has_password,
    u.disabled_at,
    (select max(s.last_seen_at) from trueup.console_sessions as s where s.user_id = u.id) as last_seen_at,
    (
        select count(*)
        from trueup.console_sessions as s
        where s.user_id = u.id and s.ended_at is null and s.expires_at > clock_timestamp()
        and s.last_seen_at + s.idle > clock_timestamp()
    ) as sessions
from trueup.console_users as u
order by u.name;
