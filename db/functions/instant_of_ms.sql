-- instant_of_ms(value): the instant that a number of milliseconds since 1970 means, or NULL
--
-- As the phone provider sends its times. NULL for anything that is no such number, and
-- for one beyond the year 2100, which is no time in milliseconds.

create or replace function trueup.instant_of_ms(p_value jsonb)
    returns timestamptz
    language sql
    immutable
    parallel safe
return case
    when jsonb_typeof(p_value) = 'number' and p_value > '0'::jsonb and p_value < '4102444800000'::jsonb
        then timestamptz '1970-01-01 00:00:00+00' + (p_value #>> '{}')::numeric::float8 * interval '1 millisecond'
end;
