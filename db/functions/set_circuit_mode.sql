-- set_circuit_mode(key, mode, reason, actor): a person orders what a circuit does
--
--     automatic     opens and closes by what is reported
--     shadow        the same, and decides nothing: everything is allowed
--     force_open    nothing is allowed, until somebody orders otherwise
--     force_closed  everything is allowed, whatever is reported
--
-- automatic and shadow go on from the state in which they find the circuit, unless it was
-- forced: then it begins closed. Permits given before it was forced, or freed, are of an
-- old epoch. The mode it has already changes nothing and keeps the first reason.

create or replace function trueup.set_circuit_mode(
    p_key text,
    p_mode text,
    p_reason text default null,
    p_actor text default session_user
)
    returns trueup.circuit_breaker_states
    language plpgsql
    security definer
    set search_path = pg_catalog, pg_temp
as $$
declare
    v_circuit trueup.circuit_breaker_states;
    v_old trueup.circuit_breaker_states;
    v_forced boolean;
    v_next text;
    v_now timestamptz;
begin
    if coalesce(btrim(p_key), '') = '' then
        raise exception 'a circuit needs a key' using errcode = 'TU501';
    elsif (p_mode in ('automatic', 'shadow', 'force_open', 'force_closed')) is not true then
        raise exception 'a circuit has no mode %', coalesce('"' || p_mode || '"', 'null')
            using errcode = 'TU501', hint = 'The modes are automatic, shadow, force_open and force_closed.';
    end if;

    insert into trueup.circuit_breaker_states (service_key)
    values (p_key)
    on conflict do nothing;

    select s.* into v_old
    from trueup.circuit_breaker_states as s
    where s.service_key = p_key
    for update;

    if v_old.mode = p_mode then
        return v_old;
    end if;

    v_now := clock_timestamp();
    v_forced := p_mode in ('force_open', 'force_closed') or v_old.mode in ('force_open', 'force_closed');
    v_next := case
        when p_mode = 'force_open' then 'open'
        when v_forced then 'closed'
        else v_old.current_state
    end;

    update trueup.circuit_breaker_states as s
    set
        mode = p_mode,
        mode_reason = p_reason,
        mode_changed_at = v_now,
        mode_changed_by = coalesce(p_actor, session_user),
        current_state = v_next,
        epoch = s.epoch + v_forced::integer,
        state_changed_at = case when v_next <> s.current_state then v_now else s.state_changed_at end,
        opened_at = case when v_next <> 'closed' then coalesce(s.opened_at, v_now) end,
        failure_count = case when v_forced then 0 else s.failure_count end,
        success_count = case when v_forced then 0 else s.success_count end,
        open_count = case when v_forced then 0 else s.open_count end,
        open_until = case when not v_forced then s.open_until end,
        probe_permit = case when not v_forced then s.probe_permit end,
        probe_expires_at = case when not v_forced then s.probe_expires_at end
    where s.service_key = p_key
    returning s.* into v_circuit;

    insert into trueup.circuit_breaker_events
        (service_key, old_state, new_state, reason, happened_at, epoch, actor)
    values (
        p_key,
        v_old.current_state,
        v_next,
        concat_ws(': ', format('mode %s, not %s', p_mode, v_old.mode), p_reason),
        v_now,
        v_circuit.epoch,
        v_circuit.mode_changed_by
    );

    return v_circuit;
end;
$$;
