-- call_type_missing: repair
--
-- From the provider's stored payload (metadata.retell.call_type), which is what the
-- provider said at the time; without it nobody can know.

create or replace function trueup.repair_call_type_missing(p_call_id bigint)
    returns trueup.repair_outcome
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    v_call_type text;
begin
    select trueup.provider_call_type(c.metadata) into v_call_type
    from public.calls as c
    where c.id = p_call_id
    for no key update;

    if v_call_type is null then
        return ('review', 'the stored payload does not tell the call_type', null)::trueup.repair_outcome;
    end if;

    update public.calls as c
    set call_type = v_call_type
    where c.id = p_call_id;

    return (
        'corrected', 'from the stored provider payload', jsonb_build_object('metadata.retell.call_type', v_call_type)
    )::trueup.repair_outcome;
end;
$$;
