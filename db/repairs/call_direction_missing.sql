-- call_direction_missing: repair
--
-- The direction that the numbers prove; when neither is ours the default, with the mark
-- that tells it from a fact, as calls_fill_direction does. Metadata that has no room for
-- the mark hands the call to a person: a default must not pass for a fact.

create or replace function trueup.repair_call_direction_missing(p_call_id bigint)
    returns trueup.repair_outcome
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    v_call public.calls;
    v_direction text;
    v_metadata jsonb;
    v_evidence jsonb;
begin
    select c.* into v_call from public.calls as c where c.id = p_call_id for no key update;

    v_direction := trueup.direction_by_numbers(v_call.company_id, v_call.from_number, v_call.to_number);
    v_metadata := case
        when v_direction is null then trueup.direction_defaulted(v_call.metadata)
        else v_call.metadata
    end;
    v_evidence := jsonb_build_object(
        'direction', coalesce(v_direction, trueup.default_direction()),
        'defaulted', v_direction is null,
        'from_number', trueup.masked(v_call.from_number),
        'to_number', trueup.masked(v_call.to_number)
    );

    if v_direction is null and not v_metadata @> '{"direction_defaulted": true}' then
        return ('review', 'neither number is ours, and metadata is no object', v_evidence)::trueup.repair_outcome;
    end if;

    update public.calls as c
    set direction = coalesce(v_direction, trueup.default_direction()), metadata = v_metadata
    where c.id = p_call_id;

    return (
        'corrected',
        case
            when v_direction is null then 'neither number is ours: the default, and marked as one'
            when v_direction = 'inbound' then 'the number called is ours'
            else 'the caller''s number is ours'
        end,
        v_evidence
    )::trueup.repair_outcome;
end;
$$;
