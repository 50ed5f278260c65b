-- withheld_email(call): what stands for the address of a caller about whom nothing is known
--
-- Derived from the call and from nothing else, so the same call always gives the same
-- placeholder and no two callers ever share one.

create or replace function trueup.withheld_email(p_call_id bigint)
    returns text
    language sql
    immutable
    parallel safe
return 'call-' || p_call_id || '@withheld.invalid';
