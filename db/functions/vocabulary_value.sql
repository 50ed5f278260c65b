-- vocabulary_value(vocabulary, value): what a value means in a vocabulary
--
-- The value itself or the one it is a synonym of, case and white space ignored; NULL
-- for a word the vocabulary does not know.

create or replace function trueup.vocabulary_value(p_vocabulary text, p_value text)
    returns text
    language sql
    stable
    parallel safe
return (
    select vo.means
    from trueup.vocabularies as vo
    where vo.vocabulary = p_vocabulary and vo.value = lower(regexp_replace(p_value, '\s', '', 'g'))
);
