-- calls_fill_type: fill
--
-- The provider's stored payload says what kind of call it was (metadata.retell.call_type);
-- a writer that leaves call_type out gets it from there. Nothing is guessed.

create or replace function trueup.calls_fill_type()
    returns trigger
    language plpgsql
    security definer
    set search_path = pg_catalog, pg_temp
as $$
begin
    if trueup.undoing() then
        return new;
    end if;

    new.call_type := trueup.provider_call_type(new.metadata);
    return new;
end;
$$;

create or replace trigger calls_fill_type
    before insert or update of call_type, metadata on public.calls
    for each row
    when (new.call_type is null and new.metadata ? 'retell')
    execute function trueup.calls_fill_type();
