-- circuit_report(permit, outcome, duration, reporter): how a call that was allowed went
--
--     success    the provider did it; too slow (circuit_slow) counts as bad all the same
--     failure    it did not answer, or answered that it cannot: time-out, 5xx, no connection
--     refusal    it answered no for a good reason ("slot taken", 4xx): not counted, and no
--                success either; a probe goes back to the next caller
--     abandoned  the caller gave up, and nobody knows: not counted, the probe goes back
--
-- A closed circuit opens after circuit_failures failures in a row, or when
-- circuit_failure_share of the calls in circuit_share_window (the newest 500 of them, and
-- at least circuit_share_calls) failed or were slow; both only when circuit_quorum reporters
-- have seen bad calls there. It is judged when a bad call is reported. A slow call ends a
-- row of failures: there was an answer. Half open, a bad probe opens it again, for twice
-- as long, circuit_open_time_most at most, and circuit_successes good ones close it.
--
-- Each change of state begins an epoch, and a permit is of the epoch that gave it: a report
-- that comes too late is kept in trueup.circuit_breaker_metrics and changes nothing. So is
-- that of a probe that was given to another caller meanwhile. counted says which it was.
--
-- p_reporter tells one process from another for the quorum; by default client address and
-- application_name. Only the first report of a permit should be sent; a closed circuit
-- cannot tell a second one from another call.
--
-- Report on a connection of its own: in a transaction that is rolled back the report of the
-- failure is lost with it, and in one that stays open those of others wait. A success of a
-- closed circuit appends one row and locks none, unless it ends a row of failures.

create or replace function trueup.circuit_report(
    p_permit text,
    p_outcome text,
    p_duration interval default null,
    p_reporter text default null,
    out counted boolean,
    out state text,
    out epoch bigint
)
    returns record
    language plpgsql
    security definer
    set search_path = pg_catalog, pg_temp
as $$
declare
    v_parts text[] := regexp_match(p_permit, '^(\d{1,18})\.([0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12})?\.(.*\S.*)$');
    v_key text := v_parts[3];
    v_epoch bigint := v_parts[1];
    v_probe uuid := v_parts[2];
    v_reporter text := coalesce(
        p_reporter, concat_ws(' ', inet_client_addr(), nullif(current_setting('application_name'), ''))
    );
    v_circuit trueup.circuit_breaker_states;
    v_rules trueup.circuit_breaker_settings;
    v_slow boolean;
    v_bad boolean;
    v_window record;
    v_in_a_row integer;
    v_reason text;
    v_next text;
    v_now timestamptz := clock_timestamp();
begin
    if v_key is null then
        raise exception 'this is no permit of a circuit: %', coalesce('"' || p_permit || '"', 'null')
            using errcode = 'TU501', hint = 'Give back the permit that trueup.circuit_allow gave; without one, report nothing.';
    elsif (p_outcome in ('success', 'failure', 'refusal', 'abandoned')) is not true then
        raise exception 'circuit %: a call has no outcome %', v_key, coalesce('"' || p_outcome || '"', 'null')
            using errcode = 'TU501', hint = 'The outcomes are success, failure, refusal and abandoned.';
    elsif p_duration < '0' then
        raise exception 'circuit %: a call cannot last %', v_key, p_duration using errcode = 'TU501';
    end if;

    select s.* into v_circuit
    from trueup.circuit_breaker_states as s
    where s.service_key = v_key;

    v_slow := p_outcome = 'success'
        and p_duration is not null
        and coalesce(
            p_duration > coalesce(
                (select o.slow from trueup.circuit_breaker_settings as o where o.service_key = v_key),
                (select st.value::interval from trueup.settings as st where st.name = 'circuit_slow')
            ),
            false
        );
    v_bad := v_slow or p_outcome = 'failure';

    insert into trueup.circuit_breaker_metrics
        (service_key, outcome, duration_ms, happened_at, epoch, is_slow, reporter)
    values (
        v_key, p_outcome, round(extract(epoch from p_duration) * 1000, 3), v_now, v_epoch, v_slow, v_reporter
    );

    state := coalesce(v_circuit.current_state, 'closed');
    epoch := coalesce(v_circuit.epoch, 0);
    counted := false;

    -- what the row need not be locked for: old news, no news, and a success as usual
    if
        epoch <> v_epoch
        or v_circuit.mode in ('force_open', 'force_closed')
        or (state <> 'closed' and (v_probe = v_circuit.probe_permit) is not true)
        or (state = 'closed' and p_outcome in ('refusal', 'abandoned'))
    then
        return;
    elsif state = 'closed' and not v_bad and coalesce(v_circuit.failure_count, 0) = 0 then
        counted := true;
        return;
    end if;

    if v_circuit.service_key is null then
        insert into trueup.circuit_breaker_states (service_key)
        values (v_key)
        on conflict do nothing;
    end if;

    -- lock first, then read: two reports at once are judged one after the other
    select s.* into v_circuit
    from trueup.circuit_breaker_states as s
    where s.service_key = v_key
    for update;

    state := v_circuit.current_state;
    epoch := v_circuit.epoch;
    if
        epoch <> v_epoch
        or v_circuit.mode in ('force_open', 'force_closed')
        or (state <> 'closed' and (v_probe = v_circuit.probe_permit) is not true)
    then
        return;
    end if;

    counted := p_outcome in ('success', 'failure');
    v_in_a_row := case
        when p_outcome = 'failure' then v_circuit.failure_count + 1
        when state = 'closed' then 0
        else v_circuit.failure_count
    end;
    if state = 'closed' and not v_bad and v_circuit.failure_count = 0 then
        return; -- another success was quicker to end the row
    end if;
    v_now := clock_timestamp();
    v_rules := trueup.circuit_rules(v_key);

    if state = 'closed' then
        if v_bad then
            select
                count(*) as calls,
                count(*) filter (where w.is_bad) as bad,
                case
                    when v_rules.quorum > 1 then cardinality(array(
                        select distinct unnest(array_agg(w.reporter) filter (where w.is_bad))
                    ))
                end as reporters
            into v_window
            from (
                select
                    m.is_slow or m.outcome = 'failure' as is_bad,
                    m.reporter
                from trueup.circuit_breaker_metrics as m
                where
                    m.service_key = v_key
                    and m.happened_at > v_now - v_rules.share_window
                    and m.epoch = v_epoch
                    and m.outcome in ('success', 'failure')
                order by m.happened_at desc
                limit 500
            ) as w;
            v_reason := case
                when v_window.reporters < v_rules.quorum then null
                when v_in_a_row >= v_rules.failures then format('%s failures in a row', v_in_a_row)
                when
                    v_window.calls >= v_rules.share_calls
                    and v_window.bad >= v_rules.failure_share * v_window.calls
                    then format(
                        '%s of %s calls in %s failed or were slow', v_window.bad, v_window.calls, v_rules.share_window
                    )
            end;
            v_next := case when v_reason is not null then 'open' end;
        end if;
    elsif v_bad then
        v_next := 'open';
        v_reason := case when v_slow then 'the probe was slow' else 'the probe failed' end;
    elsif p_outcome = 'success' and coalesce(v_circuit.success_count + 1 >= v_rules.successes, true) then
        v_next := 'closed';
        v_reason := format('%s successful probes', v_circuit.success_count + 1);
    end if;

    -- two updates, because the columns of the second are read by a check, and noted as changed
    update trueup.circuit_breaker_states as s
    set
        failure_count = v_in_a_row,
        success_count = s.success_count + (state = 'half_open' and p_outcome = 'success' and not v_slow)::integer,
        last_failure_at = case when p_outcome = 'failure' then v_now else s.last_failure_at end,
        probe_permit = null,
        probe_expires_at = null
    where s.service_key = v_key;

    if v_next is not null then
        update trueup.circuit_breaker_states as s
        set
            current_state = v_next,
            epoch = s.epoch + 1,
            state_changed_at = v_now,
            failure_count = case v_next when 'closed' then 0 else s.failure_count end,
            success_count = case v_next when 'closed' then 0 else s.success_count end,
            open_count = case v_next when 'closed' then 0 else s.open_count + 1 end,
            opened_at = case v_next when 'closed' then null else coalesce(s.opened_at, v_now) end,
            open_until = case v_next when 'open' then v_now + least(
                v_rules.open_time * power(2, least(s.open_count, 30)), v_rules.open_time_most
            ) end
        where s.service_key = v_key
        returning s.current_state, s.epoch into state, epoch;

        insert into trueup.circuit_breaker_events (service_key, old_state, new_state, reason, happened_at, epoch)
        values (v_key, v_circuit.current_state, v_next, v_reason, v_now, epoch);
    end if;
end;
$$;
