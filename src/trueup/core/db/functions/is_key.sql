-- is_key(value, type): a text may be a key of this type at all
--
-- A column that holds keys of several tables may hold others, too. Types but integers and uuid are
-- not looked at.

create or replace function trueup.is_key(p_value text, p_type text)
    returns boolean
    language sql
    immutable
    set search_path = pg_catalog, pg_temp
return case
    when p_value is null then false
    when p_type in ('smallint', 'integer', 'bigint')
        then case
            when p_value ~ '^-?[0-9]{1,19}$'
                then case p_type
                    when 'smallint' then p_value::numeric between -32768 and 32767
                    when 'integer' then p_value::numeric between -2147483648 and 2147483647
                    else p_value::numeric between -9223372036854775808 and 9223372036854775807
                end
            else false
        end
    when p_type = 'uuid' then p_value ~ '^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$'
    else true
end;
