-- is_placeholder(contact): a phone number or e-mail address that somebody made up
--
-- The one definition, for numbers and addresses alike. True for
--   * no contact at all, and the words of trueup.is_withheld
--   * an address under .invalid, a name that RFC 2606 reserves so that it never
--     resolves; trueup itself writes call-<id>@withheld.invalid for a caller who
--     withheld the number (trueup.withheld_email)
--   * anonymous..., unknown... or withheld... before a digit or a sign, which is how
--     applications number their unknown callers (anonymous_1761040800)
--   * a no-reply address
-- Such a contact reaches nobody and tells nobody apart.

create or replace function trueup.is_placeholder(p_contact text)
    returns boolean
    language sql
    immutable
    parallel safe
return trueup.is_withheld(p_contact)
    or lower(btrim(p_contact))
        ~ '[@.]invalid$|^(anonymous|unknown|withheld)[^a-z]|^(no|do-?not)[-._]?reply@';
