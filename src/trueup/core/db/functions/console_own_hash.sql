-- console_own_hash(): the password hash of the person signed in, to be asked again before it changes

create or replace function trueup.console_own_hash()
    returns text
    language sql
    stable
    security definer
    set search_path = pg_catalog, pg_temp
as $$
    select u.password_hash from trueup.console_users as u inner join trueup.console_me as me on u.id = me.id;
$$;
