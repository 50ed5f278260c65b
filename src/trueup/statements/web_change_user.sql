-- what is NULL stays; a password or a disabling ends every session
with changed as (
    update trueup.console_users as u
    set
        password_hash = coalesce(%(password_hash)s::text, u.password_hash),
        password_changed_at = case
            when %(password_hash)s::text is not null then clock_timestamp() else u.password_changed_at
        end,
        companies = case
            when %(all_companies)s::boolean then null else coalesce(%(companies)s::text[], u.companies)
        end,
        role = coalesce(%(role)s::text, u.role),
        disabled_at = case %(disabled)s::boolean
            when true then coalesce(u.disabled_at, clock_timestamp())
            when false then null
            else u.disabled_at
        end
    where lower(u.name) = lower(btrim(%(name)s))
    returning u.id, u.name
),

ended as (
    update trueup.console_sessions as s
    set ended_at = clock_timestamp()
    from changed as c
    where
        s.user_id = c.id
        and s.ended_at is null
        and (%(password_hash)s::text is not null or %(disabled)s::boolean)
)

insert into trueup.console_audit (actor, action, details)
select
    session_user,
    %(action)s,
    jsonb_strip_nulls(
        jsonb_build_object('user', c.name, 'role', %(role)s::text, 'companies', %(companies)s::text[])
    )
from changed as c
returning actor;
