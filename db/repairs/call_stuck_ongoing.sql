-- call_stuck_ongoing: repair
--
-- When the provider told the end (trueup.provider_call_end: the stored payload or an
-- event) and it is not before the start, the call ended then. A call that merely looks
-- old may have been lost on the way, which a person must find out.
--
-- Without a start there is no duration to compute, and the one that is stored stays. An end at
-- infinity is none.

create or replace function trueup.repair_call_stuck_ongoing(p_call_id bigint)
    returns trueup.repair_outcome
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    v_call public.calls;
    v_ended_at timestamptz;
    v_duration_ms numeric;
begin
    select c.* into v_call from public.calls as c where c.id = p_call_id for no key update;

    v_ended_at := trueup.provider_call_end(v_call.company_id, v_call.retell_call_id, v_call.metadata);
    v_duration_ms := case
        when isfinite(v_call.started_at) then round(extract(epoch from v_ended_at - v_call.started_at) * 1000)
    end;

    if v_ended_at is null then
        return ('review', 'neither payload nor event tells when it ended', null)::trueup.repair_outcome;
    elsif v_duration_ms < 0 or v_duration_ms > 2147483647 or v_ended_at > now() then
        return (
            'review', 'the provider tells an end that cannot be', jsonb_build_object('provider_end', v_ended_at)
        )::trueup.repair_outcome;
    elsif
        isfinite(v_call.ended_at)
        and v_ended_at not between v_call.ended_at - interval '1 second' and v_call.ended_at + interval '1 second'
    then
        return (
            'review',
            'it has an end already, and the provider tells another',
            jsonb_build_object('provider_end', v_ended_at, 'ended_at', v_call.ended_at)
        )::trueup.repair_outcome;
    end if;

    update public.calls as c
    set
        status = 'ended',
        ended_at = v_ended_at,
        duration_ms = coalesce(v_duration_ms, v_call.duration_ms)
    where c.id = p_call_id;

    return (
        'corrected',
        'ended when the provider says',
        jsonb_build_object(
            'provider_end', v_ended_at, 'stored_end', v_call.ended_at, 'stored_duration_ms', v_call.duration_ms
        )
    )::trueup.repair_outcome;
end;
$$;
