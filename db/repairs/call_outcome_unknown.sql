-- call_outcome_unknown: repair
--
-- Replaces a spelling or synonym by the word of the vocabulary; anything else is a
-- person's decision, who may also add the word to trueup.vocabularies as a synonym. Words of
-- other columns that are misspelled, too, are replaced with it: their constraints would refuse
-- the row (call_value_unknown).

create or replace function trueup.repair_call_outcome_unknown(p_call_id bigint)
    returns trueup.repair_outcome
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    v_value text;
    v_meant text;
begin
    select c.session_outcome into v_value from public.calls as c where c.id = p_call_id for no key update;
    v_meant := trueup.vocabulary_value('session_outcome', v_value);
    if v_meant is null then
        return ('review', 'no synonym that the vocabulary knows', null)::trueup.repair_outcome;
    end if;

    update public.calls as c
    set
        session_outcome = v_meant,
        direction = coalesce(trueup.vocabulary_value('direction', c.direction), c.direction),
        customer_link_status = coalesce(
            trueup.vocabulary_value('customer_link_status', c.customer_link_status), c.customer_link_status
        ),
        customer_link_method = coalesce(
            trueup.vocabulary_value('customer_link_method', c.customer_link_method), c.customer_link_method
        )
    where c.id = p_call_id;

    return (
        'corrected',
        'replaced by what the vocabulary says it means',
        jsonb_build_object('session_outcome', v_value, 'means', v_meant)
    )::trueup.repair_outcome;
end;
$$;
