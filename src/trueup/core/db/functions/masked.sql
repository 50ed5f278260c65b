-- masked(value): a phone number or an e-mail address, fit for an alert
--
-- The first two and the last two characters, which is enough to find it again for
-- somebody who may see the row itself.

create or replace function trueup.masked(p_value text)
    returns text
    language sql
    immutable
    parallel safe
return case
    when length(p_value) > 6 then left(p_value, 2) || '***' || right(p_value, 2)
    when p_value is not null then '***'
end;
