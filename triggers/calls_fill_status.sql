-- calls_fill_status: fill
--
-- Providers and older writers spell a status in their own way (in_progress, completed):
-- it becomes the word of the vocabulary. And a status never moves down: deliveries come
-- late and out of order, so that call_started may arrive after call_ended. The ranks
-- are those of the vocabulary call_status; failed is the last word. A status that the
-- vocabulary does not know is left to the constraint calls_status_vocabulary.
--
-- The list in the WHEN clause is that of the constraint: a WHEN clause can read no
-- table, and an ordinary write must cost no function call.

create or replace function trueup.calls_fill_status()
    returns trigger
    language plpgsql
    security definer
    set search_path = ''
as $$
declare
    v_old_status text;
begin
    if trueup.undoing() then
        return new;
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
    when (new.status not in ('registered', 'ongoing', 'ended', 'analyzed', 'failed'))
    execute function trueup.calls_fill_status();

create or replace trigger calls_fill_status_on_update
    before update on public.calls
    for each row
    when (
        new.status not in ('registered', 'ongoing', 'ended', 'analyzed', 'failed')
        or new.status is distinct from old.status
    )
    execute function trueup.calls_fill_status();
