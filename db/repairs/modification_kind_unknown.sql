-- modification_kind_unknown: repair
--
-- Replaces a spelling or synonym by the word of the vocabulary; another word is for a
-- person.

create or replace function trueup.repair_modification_kind_unknown(p_modification_id bigint)
    returns trueup.repair_outcome
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    v_kind text;
    v_means text;
begin
    select m.kind into v_kind
    from public.appointment_modifications as m
    where m.id = p_modification_id
    for no key update;

    v_means := trueup.vocabulary_value('modification_kind', v_kind);
    if v_means is null then
        return ('review', 'the kind is no synonym that the vocabulary knows', null)::trueup.repair_outcome;
    end if;

    update public.appointment_modifications as m
    set kind = v_means
    where m.id = p_modification_id;

    return (
        'corrected', 'replaced by what the vocabulary says it means', jsonb_build_object('kind', v_kind)
    )::trueup.repair_outcome;
end;
$$;
