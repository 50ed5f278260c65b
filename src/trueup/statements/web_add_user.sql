with added as (
    insert into trueup.console_users (name, password_hash, role, companies, language)
    values (%(name)s, %(password_hash)s, %(role)s, %(companies)s::text[], %(language)s)
    on conflict (lower(name)) do nothing
    returning name
)

insert into trueup.console_audit (actor, action, details)
select session_user, 'user added', jsonb_build_object('user', a.name, 'role', %(role)s::text, 'companies', %(companies)s::text[])
from added as a
returning actor;
