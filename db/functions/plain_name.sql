-- plain_name(name): a spoken name in the form in which trueup.unusable_names keeps phrases
--
-- Lower case, punctuation removed, white space collapsed; NULL when nothing is left.

create or replace function trueup.plain_name(p_name text)
    returns text
    language sql
    immutable
    parallel safe
return nullif(btrim(regexp_replace(regexp_replace(lower(p_name), '[[:punct:]]', '', 'g'), '\s+', ' ', 'g')), '');
