-- console_me: who is signed in to the console in this transaction; no row: nobody
--
-- By the session that console_enter was given. The parameter holds the hash of a token that
-- nobody can guess, so that setting it by hand opens nothing.

create or replace view trueup.console_me with (security_barrier) as
select
    u.id,
    u.name,
    u.role,
    u.companies,
    u.language,
    s.id as session_id,
    s.method,
    s.address
from trueup.console_sessions as s
inner join trueup.console_users as u on s.user_id = u.id
where
    s.token_hash = decode(nullif(current_setting('trueup.console_session', true), ''), 'hex')
    and s.ended_at is null
    and s.expires_at > clock_timestamp()
    and s.last_seen_at + s.idle > clock_timestamp()
    and u.disabled_at is null;
