-- console_enter(token hash, address, touch): act for a session until the end of the transaction
--
-- Returns who that is; no row for a session that has ended. A page that asks for news by
-- itself does not touch the session: it is idle while nobody does anything.

create or replace function trueup.console_enter(p_token_hash bytea, p_address inet default null, p_touch boolean default true)
    returns setof trueup.console_me
    language plpgsql
    security definer
    set search_path = pg_catalog, pg_temp
as $$
begin
    perform set_config('trueup.console_session', encode(p_token_hash, 'hex'), true);
    perform set_config('trueup.console_address', coalesce(host(p_address), ''), true);

    -- not at every request, or each would write
    update trueup.console_sessions as s
    set last_seen_at = clock_timestamp()
    from trueup.console_me as me
    where
        p_touch
        and s.id = me.session_id
        and s.last_seen_at < clock_timestamp() - least(interval '1 minute', s.idle / 4);

    return query select me.* from trueup.console_me as me;
end;
$$;
