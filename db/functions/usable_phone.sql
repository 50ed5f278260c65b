-- usable_phone(number): somebody can be called, or recognised, by this number
--
-- At least six digits, and no placeholder.

create or replace function trueup.usable_phone(p_number text)
    returns boolean
    language sql
    immutable
    parallel safe
return not trueup.is_placeholder(p_number) and coalesce(trueup.plain_phone(p_number), '') ~ '[0-9]{6}';
