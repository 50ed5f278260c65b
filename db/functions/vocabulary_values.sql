-- vocabulary_values(vocabulary): the values a column may hold, without synonyms
--
-- A view calls it in a subquery, (select trueup.vocabulary_values('source'))::text[],
-- which the planner evaluates once and not for every row.

create or replace function trueup.vocabulary_values(p_vocabulary text)
    returns text[]
    language sql
    stable
    parallel safe
return array(
    select vo.value
    from trueup.vocabularies as vo
    where vo.vocabulary = p_vocabulary and vo.means = vo.value
);
