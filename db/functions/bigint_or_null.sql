-- bigint_or_null(text): the whole number that a text holds, or NULL
--
-- Digits only, at most eighteen of them, which always fit. Never raises.

create or replace function trueup.bigint_or_null(p_text text)
    returns bigint
    language sql
    immutable
    parallel safe
return case when p_text ~ '^[0-9]{1,18}$' then p_text::bigint end;
