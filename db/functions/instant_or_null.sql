-- instant_or_null(text): the instant that an ISO 8601 text names, or NULL
--
-- Date, time and offset, as providers send them: 2025-10-22T12:00:00.000Z. A text
-- without an offset names no instant and gives NULL, and so do the words that a cast
-- would accept (now, tomorrow, infinity). Never raises. The pattern leaves one thing to
-- check, the length of the month; no exception block, so views that call this may run
-- in parallel.

create or replace function trueup.instant_or_null(p_text text)
    returns timestamptz
    language plpgsql
    stable
    strict
    parallel safe
    set search_path = pg_catalog, pg_temp
as $$
begin
    if p_text !~ (
        '^(?!0000)[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])'
        '[T ]([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9](\.[0-9]{1,9})?)?'
        '(Z|[+-](0[0-9]|1[0-4])(:?[0-5][0-9])?)$'
    ) then
        return null;
    end if;

    if right(left(p_text, 10), 2)::integer > extract(
        day from make_date(left(p_text, 4)::integer, right(left(p_text, 7), 2)::integer, 1)
            + interval '1 month' - interval '1 day'
    ) then
        return null;
    end if;

    return p_text::timestamptz;
end;
$$;
