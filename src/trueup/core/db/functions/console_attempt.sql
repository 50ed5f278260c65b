-- console_attempt(name, address): may somebody try to sign in now, and what must the password be
--
-- An attempt counts as failed until console_begin_session says otherwise, and is counted
-- before it is made: a hundred at once are a hundred. From the fifth failure on a name
-- waits (setting console_attempts_name), 30 seconds and twice as long each time, an address
-- from the twentieth on; an attempt that comes too early is not counted, or others could lock
-- a name for ever. A name that does not exist is treated like one that does.

create or replace function trueup.console_attempt(
    p_name text,
    p_address inet,
    out attempt_id bigint,
    out password_hash text,
    out wait interval
)
    returns record
    language plpgsql
    security definer
    set search_path = pg_catalog, pg_temp
as $$
declare
    v_hash bytea := sha256(convert_to(lower(btrim(p_name)), 'UTF8'));
    v_window interval := trueup.setting('console_attempts_window')::interval;
    v_failures record;
    v_until timestamptz;
begin
    -- one at a time by name, then by address
    perform pg_advisory_xact_lock(hashtextextended('trueup console ' || encode(v_hash, 'hex'), 0));
    perform pg_advisory_xact_lock(hashtextextended('trueup console ' || coalesce(host(p_address), ''), 0));

    for v_failures in
        select
            count(*) - trueup.setting('console_attempts_name')::integer as excess,
            max(ca.happened_at) as last_at
        from trueup.console_attempts as ca
        where
            ca.name_hash = v_hash
            and not ca.succeeded
            and ca.happened_at > clock_timestamp() - v_window
            and ca.id > coalesce(
                (
                    select max(done.id)
                    from trueup.console_attempts as done
                    where done.name_hash = v_hash and done.succeeded
                ),
                0
            )
        union all
        select
            count(*) - trueup.setting('console_attempts_address')::integer,
            max(ca.happened_at)
        from trueup.console_attempts as ca
        where
            ca.address = p_address
            and not ca.succeeded
            and ca.happened_at > clock_timestamp() - v_window
    loop
        if v_failures.excess >= 0 then
            v_until := greatest(
                v_until,
                v_failures.last_at + least(v_window, interval '30 seconds' * power(2, least(v_failures.excess, 16)))
            );
        end if;
    end loop;

    if v_until > clock_timestamp() then
        wait := v_until - clock_timestamp();
        return;
    end if;

    insert into trueup.console_attempts (name_hash, address)
    values (v_hash, p_address)
    returning id into attempt_id;

    select u.password_hash into console_attempt.password_hash
    from trueup.console_users as u
    where lower(u.name) = lower(btrim(p_name)) and u.disabled_at is null;
end;
$$;
