-- calls_fill_direction: fill
--
-- A call without direction gets the one that its numbers prove, else the default, and
-- then metadata.direction_defaulted = true says so: a default is no fact. The mark goes
-- when another direction is given later, and when later numbers prove one; what they
-- prove replaces the default.
--
-- An insert that may become an update (on conflict ... do update) finds in EXCLUDED what is
-- put here. So where a default would be, the direction stored for the same provider's call
-- comes instead, and its mark if it has one: an upsert that takes EXCLUDED.direction then
-- changes nothing. A row that another session has not committed cannot be seen.
--
-- calls_direction_known refuses any update of a legacy call without direction, so whoever
-- updates one gets it completed, whatever the columns. The mark is looked for only when
-- something is written that it depends on: metadata is large, and an update of other
-- columns must not read it.
--
-- Two things a row trigger cannot see: that somebody gave the very direction that was
-- the default, which leaves the mark, and that metadata was replaced as a whole, which
-- loses it. The repair writes a default and its mark at once, which is why only a mark
-- that was there before goes.

create or replace function trueup.calls_fill_direction()
    returns trigger
    language plpgsql
    security definer
    set search_path = pg_catalog, pg_temp
as $$
declare
    v_direction text;
    v_is_default boolean;
begin
    if trueup.undoing() then
        return new;
    end if;

    if tg_nargs > 0 then -- whatever the statement names
        perform trueup.note_row('public.calls', 'id=' || new.id);
    end if;

    if
        nullif(new.direction, '') is not null
        and old.metadata @> '{"direction_defaulted": true}'
        and new.direction is distinct from old.direction
    then
        new.metadata := new.metadata - 'direction_defaulted';
        return new;
    end if;

    v_direction := trueup.direction_by_numbers(new.company_id, new.from_number, new.to_number);
    if v_direction is not null then
        new.direction := v_direction;
        if new.metadata @> '{"direction_defaulted": true}' then
            new.metadata := new.metadata - 'direction_defaulted';
        end if;
    elsif nullif(new.direction, '') is null then
        if tg_op = 'INSERT' then
            select
                c.direction,
                coalesce(c.metadata @> '{"direction_defaulted": true}', false)
            into v_direction, v_is_default
            from public.calls as c
            where
                c.company_id = new.company_id
                and c.retell_call_id = new.retell_call_id
                and c.direction <> ''
            limit 1;
        end if;
        new.direction := coalesce(v_direction, trueup.default_direction());
        if v_direction is null or v_is_default then
            new.metadata := trueup.direction_defaulted(new.metadata);
        end if;
    end if;

    return new;
end;
$$;

create or replace trigger calls_fill_direction
    before insert or update of company_id, from_number, to_number, direction, metadata on public.calls
    for each row
    when (
        (new.direction <> '') is not true
        or new.metadata @> '{"direction_defaulted": true}'
    )
    execute function trueup.calls_fill_direction();

create or replace trigger calls_fill_direction_legacy
    before update on public.calls
    for each row
    when ((new.direction <> '') is not true)
    execute function trueup.calls_fill_direction('any update');
