-- usable_email(address): somebody can be written to, or recognised, by this address
--
-- Has the form of an address, and is no placeholder.

create or replace function trueup.usable_email(p_email text)
    returns boolean
    language sql
    immutable
    parallel safe
return not trueup.is_placeholder(p_email) and btrim(p_email) ~ '^[^@\s]+@[^@\s]+\.[^@\s]+$';
