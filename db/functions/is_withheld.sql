-- is_withheld(number): the caller's number tells nobody who is calling
--
-- NULL, empty, or one of the words that telephone providers send, case and spaces
-- ignored. A SQL-standard body is bound when it is created, so no search_path can
-- change its meaning, and the planner can inline it.

create or replace function trueup.is_withheld(p_number text)
    returns boolean
    language sql
    immutable
    parallel safe
return coalesce(lower(regexp_replace(p_number, '\s', '', 'g')), '')
    in ('', 'anonymous', 'unknown', 'unavailable', 'blocked', 'private', 'withheld', 'restricted');
