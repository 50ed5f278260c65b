-- appointments_fill_decoded: fill
--
-- Metadata that a writer encoded twice is stored as what it means; what calls_fill_decoded
-- does for calls. Fires on any update of a legacy row, which the constraint
-- appointments_metadata_decoded would refuse.

create or replace function trueup.appointments_fill_decoded()
    returns trigger
    language plpgsql
    security definer
    set search_path = pg_catalog, pg_temp
as $$
begin
    if trueup.undoing() then
        return new;
    end if;

    if tg_op = 'UPDATE' then -- whatever the statement names
        perform trueup.note_row('public.appointments', 'id=' || new.id);
    end if;

    new.metadata := trueup.decoded(new.metadata);
    return new;
end;
$$;

create or replace trigger appointments_fill_decoded
    before insert or update on public.appointments
    for each row
    when (jsonb_typeof(new.metadata) = 'string')
    execute function trueup.appointments_fill_decoded();
