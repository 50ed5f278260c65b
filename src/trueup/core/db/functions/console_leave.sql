-- console_leave(): the session ends

create or replace function trueup.console_leave()
    returns void
    language plpgsql
    security definer
    set search_path = pg_catalog, pg_temp
as $$
declare
    v_me trueup.console_me := trueup.console_actor(p_writes => false);
begin
    perform trueup.console_audited(v_me, 'signed out');
    update trueup.console_sessions as s set ended_at = clock_timestamp() where s.id = v_me.session_id;
end;
$$;
