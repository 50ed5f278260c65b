-- console_speak(language): the language that the person signed in reads; NULL: the browser's

create or replace function trueup.console_speak(p_language text)
    returns void
    language plpgsql
    security definer
    set search_path = pg_catalog, pg_temp
as $$
declare
    v_me trueup.console_me := trueup.console_actor(p_writes => false);
begin
    update trueup.console_users as u set language = p_language where u.id = v_me.id;
end;
$$;
