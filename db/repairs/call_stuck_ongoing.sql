-- call_stuck_ongoing: repair
--
-- When the provider's stored payload tells the end (metadata.retell.end_timestamp, epoch
-- milliseconds) and it is not before the start, the call ended then. A call that merely
-- looks old may have been lost on the way, which a person must find out.

create or replace function trueup.repair_call_stuck_ongoing(p_call_id bigint)
    returns trueup.repair_outcome
    language plpgsql
    set search_path = ''
as $$
declare
    v_call public.calls;
    v_end_ms bigint;
    v_ended_at timestamptz;
begin
    select c.* into v_call from public.calls as c where c.id = p_call_id for no key update;

    v_end_ms := trueup.bigint_or_null(v_call.metadata -> 'retell' ->> 'end_timestamp');
    -- digits beyond any epoch in milliseconds are no instant, and must not raise
    v_ended_at := case when v_end_ms < 4102444800000 then to_timestamp(v_end_ms / 1000.0) end;
    if v_ended_at is null then
        return ('review', 'the stored payload does not tell when it ended', null)::trueup.repair_outcome;
    elsif v_ended_at < coalesce(v_call.started_at, v_call.created_at) or v_ended_at > now() then
        return (
            'review', 'the stored payload tells an end that cannot be', jsonb_build_object('end_timestamp', v_end_ms)
        )::trueup.repair_outcome;
    end if;

    update public.calls as c
    set
        status = 'ended',
        ended_at = v_ended_at,
        duration_ms = extract(epoch from v_ended_at - c.started_at) * 1000
    where c.id = p_call_id;

    return (
        'corrected', 'ended when the stored provider payload says', jsonb_build_object('end_timestamp', v_end_ms)
    )::trueup.repair_outcome;
end;
$$;
