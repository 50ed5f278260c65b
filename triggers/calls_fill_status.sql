-- calls_fill_status: fill
--
-- Providers and older writers spell a status in their own way (in_progress, completed):
-- it becomes the word of the vocabulary. And a status never moves down: deliveries come
-- late and out of order, so that call_started may arrive after call_ended. The ranks
-- are those of the vocabulary call_status; failed is the last word. A status that the
-- vocabulary does not know is left to the constraint calls_status_vocabulary.
--
-- The lists are those of the vocabulary, in the order of its ranks: a WHEN clause can read
-- no table, and an ordinary write need not. An array literal, because the server parses the
-- clause in each statement, and that takes longer the more parts there are. Fires on any
-- update of a legacy row, which the constraint would refuse.

create or replace function trueup.calls_fill_status()
    returns trigger
    language plpgsql
    security definer
    set search_path = pg_catalog, pg_temp
as $$
declare
    v_ranked constant text[] := array['registered', 'ongoing', 'ended', 'analyzed', 'failed'];
    v_old_status text;
begin
    -- up, or the same word: the way of nearly every call
    if
        tg_op = 'UPDATE'
        and array_position(v_ranked, new.status) >= array_position(v_ranked, old.status)
    then
        return new;
    end if;

    if trueup.undoing() then
        return new;
    end if;

    if tg_nargs > 0 then -- whatever the statement names
        perform trueup.note_row('public.calls', 'id=' || new.id);
    end if;

    new.status := coalesce(trueup.vocabulary_value('call_status', new.status), new.status);

    if tg_op = 'UPDATE' then
        v_old_status := trueup.vocabulary_value('call_status', old.status);
        if
            (
                select after.rank < before.rank
                from trueup.vocabularies as after
                inner join trueup.vocabularies as before on after.vocabulary = before.vocabulary
                where
                    after.vocabulary = 'call_status'
                    and after.value = new.status
                    and before.value = v_old_status
            )
        then
            new.status := v_old_status;
        end if;
    end if;

    return new;
end;
$$;

create or replace trigger calls_fill_status
    before insert on public.calls
    for each row
    when (new.status <> all('{registered,ongoing,ended,analyzed,failed}'))
    execute function trueup.calls_fill_status();

create or replace trigger calls_fill_status_on_update
    before update of status on public.calls
    for each row
    execute function trueup.calls_fill_status();

create or replace trigger calls_fill_status_on_update_legacy
    before update on public.calls
    for each row
    when (new.status <> all('{registered,ongoing,ended,analyzed,failed}'))
    execute function trueup.calls_fill_status('any update');
