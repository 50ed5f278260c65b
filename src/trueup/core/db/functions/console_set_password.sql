-- console_set_password(hash): the person signed in has a new password; every session ends

create or replace function trueup.console_set_password(p_hash text)
    returns void
    language plpgsql
    security definer
    set search_path = pg_catalog, pg_temp
as $$
declare
    v_me trueup.console_me := trueup.console_actor(p_writes => false);
begin
    perform trueup.console_audited(v_me, 'password changed');
    update trueup.console_users as u
    set password_hash = p_hash, password_changed_at = clock_timestamp()
    where u.id = v_me.id;
    update trueup.console_sessions as s
    set ended_at = clock_timestamp()
    where s.user_id = v_me.id and s.ended_at is null;
end;
$$;
