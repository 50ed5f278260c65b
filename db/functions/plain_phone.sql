-- plain_phone(number): a number in the form of customers.phone_normalized
--
-- Digits and a leading plus; NULL for a withheld number, so that two unknown callers
-- never compare equal.

create or replace function trueup.plain_phone(p_number text)
    returns text
    language sql
    immutable
    parallel safe
return case
    when not trueup.is_withheld(p_number)
        then nullif(regexp_replace(regexp_replace(p_number, '[^0-9+]', '', 'g'), '^00', '+'), '')
end;
