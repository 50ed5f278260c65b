-- string_or_null(value): the text of a JSON string, or NULL
--
-- NULL for a number, an object or a blank string: a value of the wrong type is no
-- evidence, and its JSON text would look like some.

create or replace function trueup.string_or_null(p_value jsonb)
    returns text
    language sql
    immutable
    parallel safe
return case when jsonb_typeof(p_value) = 'string' then nullif(btrim(p_value #>> '{}'), '') end;
