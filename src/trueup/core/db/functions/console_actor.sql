-- console_actor(writes): who is signed in; an error for nobody, and for a viewer who would write

create or replace function trueup.console_actor(p_writes boolean default true)
    returns trueup.console_me
    language plpgsql
    stable
    set search_path = pg_catalog, pg_temp
as $$
declare
    v_me trueup.console_me;
begin
    select me.* into v_me from trueup.console_me as me;
    if v_me.id is null then
        raise exception 'nobody is signed in, or the session has ended' using errcode = 'TU006';
    elsif p_writes and v_me.role = 'viewer' then
        raise exception 'role viewer changes nothing' using errcode = 'TU006', hint = 'An admin gives roles.';
    end if;
    return v_me;
end;
$$;
