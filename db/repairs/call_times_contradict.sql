-- call_times_contradict: repair
--
-- The duration is derived, so it is computed again. Which of two instants is wrong when
-- a call ends before it starts, nobody can compute.

create or replace function trueup.repair_call_times_contradict(p_call_id bigint)
    returns trueup.repair_outcome
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    v_call public.calls;
    v_duration_ms numeric;
begin
    select c.* into v_call from public.calls as c where c.id = p_call_id for no key update;

    if v_call.ended_at < v_call.started_at then
        return ('review', 'it ended before it started: one instant is wrong', null)::trueup.repair_outcome;
    elsif not (isfinite(v_call.started_at) and isfinite(v_call.ended_at)) then
        return ('review', 'it has a duration, but no start or no end', null)::trueup.repair_outcome;
    end if;

    v_duration_ms := round(extract(epoch from v_call.ended_at - v_call.started_at) * 1000);
    if v_duration_ms > 2147483647 then
        return ('review', 'it lasted for weeks: one instant is wrong', null)::trueup.repair_outcome;
    end if;

    update public.calls as c
    set duration_ms = v_duration_ms
    where c.id = p_call_id;

    return (
        'corrected',
        'computed from start and end',
        jsonb_build_object('duration_ms', v_call.duration_ms, 'computed_ms', v_duration_ms)
    )::trueup.repair_outcome;
end;
$$;
