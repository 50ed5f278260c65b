-- call_status_unknown: repair
--
-- Replaces a spelling or synonym by the word of the vocabulary; anything else is a
-- person's decision, who may also add the word to trueup.vocabularies as a synonym.

create or replace function trueup.repair_call_status_unknown(p_call_id bigint)
    returns trueup.repair_outcome
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    v_value text;
    v_meant text;
begin
    select c.status into v_value from public.calls as c where c.id = p_call_id for no key update;
    v_meant := trueup.vocabulary_value('call_status', v_value);
    if v_meant is null then
        return ('review', 'no synonym that the vocabulary knows', null)::trueup.repair_outcome;
    end if;

    update public.calls as c
    set status = v_meant
    where c.id = p_call_id;

    return (
        'corrected',
        'replaced by what the vocabulary says it means',
        jsonb_build_object('status', v_value, 'means', v_meant)
    )::trueup.repair_outcome;
end;
$$;
