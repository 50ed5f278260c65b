-- console_masked(value): evidence or a row, fit for the console
--
-- What looks like a telephone number or an e-mail address is masked wherever it stands, and
-- every text under a key that setting console_masked names. Keys and dates stay.

create or replace function trueup.console_masked(p_value jsonb, p_key text default '')
    returns jsonb
    language plpgsql
    stable
    set search_path = pg_catalog, pg_temp
as $$
declare
    v_text text := p_value #>> '{}';
begin
    case jsonb_typeof(p_value)
        when 'object' then
            return (
                select coalesce(jsonb_object_agg(e.key, trueup.console_masked(e.value, e.key)), '{}')
                from jsonb_each(p_value) as e
            );
        when 'array' then
            return (
                select coalesce(jsonb_agg(trueup.console_masked(e.value, p_key) order by e.place), '[]')
                from jsonb_array_elements(p_value) with ordinality as e (value, place)
            );
        when 'string' then
            if
                (v_text ~ '^\+?[0-9(][0-9 ()/.-]{5,}$' and v_text !~ '^\d{4}-\d\d-\d\d')
                or v_text ~ '[^@\s]@[^@\s]'
                or p_key ~* trueup.setting('console_masked')
            then
                return to_jsonb(trueup.masked(v_text));
            end if;
            return p_value;
        else
            return p_value;
    end case;
end;
$$;
