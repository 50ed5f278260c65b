-- console_begin_session(name, token hash, ...): somebody is signed in
--
-- Whoever calls it has seen the password or a name from a proxy that is trusted. False:
-- there is no such user, or no longer.

create or replace function trueup.console_begin_session(
    p_name text,
    p_token_hash bytea,
    p_method text,
    p_idle interval,
    p_lasts interval,
    p_address inet,
    p_agent text,
    p_attempt_id bigint default null
)
    returns boolean
    language plpgsql
    security definer
    set search_path = pg_catalog, pg_temp
as $$
declare
    v_user trueup.console_users;
    v_me trueup.console_me;
begin
    -- a password that is being changed, or a user that is being disabled, is waited for
    select u.* into v_user
    from trueup.console_users as u
    where lower(u.name) = lower(btrim(p_name)) and u.disabled_at is null
    for share;
    if not found then
        return false;
    end if;

    update trueup.console_attempts as ca set succeeded = true where ca.id = p_attempt_id;

    insert into trueup.console_sessions (token_hash, user_id, method, idle, expires_at, address, agent)
    values (
        p_token_hash, v_user.id, p_method, p_idle, clock_timestamp() + p_lasts, p_address, left(p_agent, 200)
    );

    perform set_config('trueup.console_session', encode(p_token_hash, 'hex'), true);
    v_me := trueup.console_actor(p_writes => false);
    perform trueup.console_audited(v_me, 'signed in', p_details => jsonb_build_object('method', p_method));
    return true;
end;
$$;
