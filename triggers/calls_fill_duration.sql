-- calls_fill_duration: fill
--
-- The duration of a call is derived from start and end. A writer that moves one of them, or
-- anything else of a legacy call, and leaves duration_ms as it was gets it computed:
-- providers tell the end first and the duration in a later event, and calls_times_agree
-- would refuse the end. A duration that the same write gives is left to the constraint, and
-- so is a call that ends before it started. The WHEN clause asks for less than the function:
-- a long one costs every update ten times as much as a short one.

create or replace function trueup.calls_fill_duration()
    returns trigger
    language plpgsql
    security definer
    set search_path = pg_catalog, pg_temp
as $$
begin
    if trueup.undoing() then
        return new;
    end if;

    -- before PostgreSQL 17 the server does not subtract infinite times
    if
        new.duration_ms = old.duration_ms
        and isfinite(new.started_at)
        and new.ended_at >= new.started_at
        and new.ended_at < new.started_at + interval '24 days'
        and abs(extract(epoch from new.ended_at - new.started_at) * 1000 - new.duration_ms) > 1000
    then
        perform trueup.note_row('public.calls', 'id=' || new.id); -- whatever the statement names
        new.duration_ms := round(extract(epoch from new.ended_at - new.started_at) * 1000);
    end if;
    return new;
end;
$$;

create or replace trigger calls_fill_duration
    before update on public.calls
    for each row
    when (new.ended_at <> new.started_at + new.duration_ms * interval '1 millisecond')
    execute function trueup.calls_fill_duration();
