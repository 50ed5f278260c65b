-- decoded(value): what a double-encoded value means
--
-- A JSON string that holds an object or an array, encoded once or several times over,
-- is returned as that object or array; anything else as it is. A string that merely
-- reads like JSON ("42", "true", "null") stays a string: it is a value, and nothing
-- says that somebody encoded it twice. Never raises, whatever the string holds.
--
-- Not parallel safe: until PostgreSQL 18 an exception block cannot run in a parallel
-- plan. A value that is no string, the usual one, returns before that block.

create or replace function trueup.decoded(p_value jsonb)
    returns jsonb
    language plpgsql
    immutable
    strict
    set search_path = pg_catalog, pg_temp
as $$
declare
    v_value jsonb := p_value;
begin
    if jsonb_typeof(p_value) <> 'string' then
        return p_value;
    end if;

    begin
        -- nobody encodes more often than this; a bound keeps a hostile value cheap
        for v_round in 1..5 loop
            v_value := (v_value #>> '{}')::jsonb;
            exit when jsonb_typeof(v_value) <> 'string';
        end loop;
    exception
        -- no JSON; or JSON deeper or larger than the server reads
        when data_exception or program_limit_exceeded then
            return p_value;
    end;

    if jsonb_typeof(v_value) in ('object', 'array') then
        return v_value;
    end if;

    return p_value;
end;
$$;
