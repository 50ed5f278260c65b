-- calls_fill_decoded: fill
--
-- JSON that a writer encoded twice is stored as what it means. Fires on any update of a
-- legacy row, which the constraints calls_booking_details_decoded and
-- calls_metadata_decoded would refuse. A text that only begins like JSON is left to them.
--
-- Triggers of one event fire in name order: those that read metadata come after this one.

create or replace function trueup.calls_fill_decoded()
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
        perform trueup.note_row('public.calls', 'id=' || new.id);
    end if;

    new.booking_details := trueup.decoded(new.booking_details);
    new.metadata := trueup.decoded(new.metadata);
    return new;
end;
$$;

create or replace trigger calls_fill_decoded
    before insert or update on public.calls
    for each row
    when ('string' in (jsonb_typeof(new.booking_details), jsonb_typeof(new.metadata)))
    execute function trueup.calls_fill_decoded();
