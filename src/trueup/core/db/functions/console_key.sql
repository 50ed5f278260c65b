-- console_key(): what signs the forms of all processes of the console

create or replace function trueup.console_key()
    returns bytea
    language sql
    stable
    security definer
    set search_path = pg_catalog, pg_temp
as $$
    select ck.key from trueup.console_keys as ck order by ck.id desc limit 1;
$$;
