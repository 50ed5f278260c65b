-- vocabularies: one list in three places says the same in each
--
-- The table tells synonyms and repairs, the CHECK constraints refuse, and the WHEN
-- clauses of the fills, which can read no table, spare ordinary writes.

begin;
select plan(9);

-- a list is an array literal, '{…}', wherever it stands
create function pg_temp.words(p_text text) returns jsonb language sql as $$
select jsonb_object_agg(w.word, true)
from regexp_matches(p_text, '''(\{[^'']*\})''') as l (list)
cross join lateral unnest(l.list[1]::text[]) as w (word);
$$;

create view pg_temp.lists as
select
    vo.vocabulary,
    jsonb_object_agg(vo.value, true) as words
from trueup.vocabularies as vo
where vo.means = vo.value
group by vo.vocabulary;

create view pg_temp.registered as
select
    ct.name,
    ct.table_name,
    substring(ct.purpose from '^vocabulary (\w+)$') as vocabulary,
    pg_temp.words(ct.definition) as words
from trueup.constraints as ct
where ct.name like '%\_vocabulary';

select results_eq(
    'select vocabulary, words from pg_temp.registered order by vocabulary',
    'select vocabulary, words from pg_temp.lists order by vocabulary',
    'every vocabulary has one registered constraint, and each constraint its vocabulary, with the same words'
);
select is_empty(
    'select name from pg_temp.registered where vocabulary is null', 'every constraint names its vocabulary in its purpose'
);
select results_eq(
    $$
    select r.name, pg_temp.words(pg_catalog.pg_get_constraintdef(con.oid))
    from pg_temp.registered as r
    inner join pg_catalog.pg_constraint as con
        on con.conname = r.name and con.conrelid = r.table_name::regclass
    order by r.name
    $$,
    'select name, words from pg_temp.registered order by name',
    'the server holds the constraints as registered'
);

select is(
    pg_temp.words(pg_catalog.pg_get_triggerdef(t.oid)), (
        select l.words from pg_temp.lists as l where l.vocabulary = f.vocabulary
    ),
    f.name || ' spares the words of ' || f.vocabulary || ', and no other'
)
from (
    values
    ('calls_fill_status', 'public.calls', 'call_status'),
    ('calls_fill_status_on_update_legacy', 'public.calls', 'call_status'),
    ('appointments_fill_status', 'public.appointments', 'appointment_status'),
    ('appointments_fill_status_on_update_legacy', 'public.appointments', 'appointment_status')
) as f (name, table_name, vocabulary)
left join pg_catalog.pg_trigger as t on t.tgname = f.name and t.tgrelid = f.table_name::regclass;

select matches(
    pg_catalog.pg_get_functiondef('trueup.calls_fill_status()'::regprocedure),
    (
        select 'v_ranked constant text\[\] := array\[''' || string_agg(vo.value, ''', ''' order by vo.rank) || '''\]'
        from trueup.vocabularies as vo
        where vo.vocabulary = 'call_status' and vo.rank is not null
    ),
    'calls_fill_status knows the ranks of call_status'
);

-- the word of a synonym is itself a word, so that one look-up is enough
select is_empty(
    $$
    select vo.vocabulary, vo.value
    from trueup.vocabularies as vo
    where
        not exists (
            select 1
            from trueup.vocabularies as word
            where word.vocabulary = vo.vocabulary and word.value = vo.means and word.means = word.value
        )
        or vo.value <> lower(regexp_replace(vo.value, '\s', '', 'g'))
        or (vo.vocabulary = 'call_status' and (vo.rank is null) <> (vo.value <> vo.means))
    $$,
    'a synonym means a word, all are spelled as a look-up spells them, and every word of call_status has a rank'
);

select * from finish();
rollback;
