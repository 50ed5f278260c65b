-- circuit_allow(key): may the provider be called now?
--
-- Ask before every call and give the permit back to trueup.circuit_report afterwards. A
-- key names what fails together, for example appointment_booking:service:7; one that was
-- never heard of is closed. Keys belong to no company.
--
--     closed      allowed, always. One row is read and nothing written, so the answer also
--                 comes from a read-only transaction
--     open        not allowed until open_until; then the first who asks gets the probe
--     half_open   not allowed while the probe is out; it is given again when it was
--                 reported, or after circuit_probe_time when its holder was heard of no more
--
-- A person can order otherwise (trueup.set_circuit_mode): force_open allows nothing,
-- force_closed everything, shadow decides and records as always and allows everything.
--
-- retry_at is when asking again may give another answer, NULL when only a person can
-- change it; retry_after is the same as a time from now, for callers with another clock.
-- What is not allowed is counted in trueup.circuit_breaker_metrics.
--
-- Call it in a transaction of its own, at read committed. Who takes the probe and keeps the
-- transaction open makes everybody else be refused, and nobody wait (`skip locked`); but
-- the own report on another connection waits for it for ever. At repeatable read it
-- answers from the snapshot, however old that is.

create or replace function trueup.circuit_allow(
    p_key text,
    out allowed boolean,
    out permit text,
    out state text,
    out mode text,
    out epoch bigint,
    out reason text,
    out retry_at timestamptz,
    out retry_after interval
)
    returns record
    language plpgsql
    security definer
    set search_path = pg_catalog, pg_temp
as $$
declare
    v_circuit trueup.circuit_breaker_states;
    v_locked trueup.circuit_breaker_states;
    v_now timestamptz;
begin
    select s.* into v_circuit
    from trueup.circuit_breaker_states as s
    where s.service_key = p_key;

    if not found then
        if coalesce(btrim(p_key), '') = '' then
            raise exception 'a circuit needs a key'
                using
                    errcode = 'TU501',
                    hint = 'Name what fails together, for example appointment_booking:service:7.';
        end if;
        v_circuit.current_state := 'closed';
        v_circuit.mode := 'automatic';
        v_circuit.epoch := 0;
    end if;

    if v_circuit.current_state <> 'closed' and trueup.circuit_probe_is_free(v_circuit) then
        -- who finds the row locked is refused: somebody takes the probe at this moment
        select s.* into v_locked
        from trueup.circuit_breaker_states as s
        where s.service_key = p_key
        for update skip locked;

        if found then
            v_circuit := v_locked;
            if trueup.circuit_probe_is_free(v_locked) then
                v_now := clock_timestamp();
                update trueup.circuit_breaker_states as s
                set
                    current_state = 'half_open',
                    epoch = s.epoch + (s.current_state = 'open')::integer,
                    success_count = case when s.current_state = 'open' then 0 else s.success_count end,
                    state_changed_at = case when s.current_state = 'open' then v_now else s.state_changed_at end,
                    open_until = null,
                    probe_permit = gen_random_uuid(),
                    probe_expires_at = v_now + coalesce((trueup.circuit_rules(p_key)).probe_time, '1 minute')
                where s.service_key = p_key
                returning s.* into v_circuit;

                if v_locked.current_state = 'open' or v_locked.probe_permit is not null then
                    insert into trueup.circuit_breaker_events
                        (service_key, old_state, new_state, reason, happened_at, epoch)
                    values (
                        p_key,
                        v_locked.current_state,
                        'half_open',
                        case v_locked.current_state
                            when 'open' then 'its time is over: one caller tries'
                            else 'the probe was not reported: another caller tries'
                        end,
                        v_now,
                        v_circuit.epoch
                    );
                end if;
                permit := format('%s.%s.%s', v_circuit.epoch, v_circuit.probe_permit, p_key);
            end if;
        end if;
    end if;

    state := v_circuit.current_state;
    mode := v_circuit.mode;
    epoch := v_circuit.epoch;
    allowed := state = 'closed' or permit is not null;

    if allowed then
        reason := case
            when permit is not null then 'probe'
            when mode = 'force_closed' then 'forced closed'
            else 'closed'
        end;
    else
        v_now := clock_timestamp();
        reason := case
            when mode = 'force_open' then 'forced open'
            when state = 'open' then 'open'
            else 'half open: another caller tries'
        end;
        if mode <> 'force_open' then
            retry_at := greatest(coalesce(v_circuit.open_until, v_circuit.probe_expires_at), v_now);
            retry_after := retry_at - v_now;
        end if;
        insert into trueup.circuit_breaker_metrics (service_key, outcome, happened_at, epoch)
        values (p_key, 'rejected', v_now, epoch);
        allowed := mode = 'shadow';
    end if;

    if allowed then
        permit := coalesce(permit, format('%s..%s', epoch, p_key));
    end if;
end;
$$;
