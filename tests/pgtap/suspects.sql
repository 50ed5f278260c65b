-- suspect_calls and suspect_appointments: the index answers the view, and says too much rather than too little

begin;
select plan(16);

create function pg_temp.uses(p_query text, p_index text) returns boolean language plpgsql as $$
declare
    r record;
begin
    set local enable_seqscan = off;
    for r in execute 'explain (costs off) ' || p_query loop
        if strpos(r."QUERY PLAN", p_index) > 0 then
            return true;
        end if;
    end loop;
    return false;
end;
$$;

select ok(
    pg_temp.uses('select s.retell_call_id from trueup.suspect_calls as s', 'calls_suspect_idx'),
    'suspect_calls has the predicate of calls_suspect_idx'
);
select ok(
    pg_temp.uses('select s.status from trueup.suspect_appointments as s', 'appointments_suspect_idx'),
    'suspect_appointments has the predicate of appointments_suspect_idx'
);
select ok(
    pg_temp.uses('select v.entity_id from trueup.appointment_past_open as v', 'appointments_open_idx'),
    'appointment_past_open has the predicate of appointments_open_idx'
);
select ok(
    pg_temp.uses('select v.entity_id from trueup.call_transcript_name as v', 'calls_spoken_name_idx'),
    'call_transcript_name has the expression of calls_spoken_name_idx'
);

-- the words that make nobody a suspect are those of the vocabulary, but for states that must not last
create function pg_temp.spared(p_index text, p_column text) returns text[] language sql as $$
select array_agg(w.word[1] order by w.word[1])
from trueup.constraints as ct
cross join lateral regexp_matches(ct.definition, format('\m%s not in \(([^)]*)\)', p_column)) as l (list)
cross join lateral regexp_matches(l.list[1], '''([^'']+)''', 'g') as w (word)
where ct.name = p_index;
$$;

select is(
    pg_temp.spared(f.index_name, f.column_name),
    (
        select array_agg(vo.value order by vo.value)
        from trueup.vocabularies as vo
        where vo.vocabulary = f.vocabulary and vo.means = vo.value and vo.value <> all(f.passing::text[])
    ),
    f.index_name || ' spares the words of ' || f.vocabulary
)
from (
    values
    ('calls_suspect_idx', 'direction', 'direction', '{}'),
    ('calls_suspect_idx', 'status', 'call_status', '{registered,ongoing}'),
    ('calls_suspect_idx', 'session_outcome', 'session_outcome', '{}'),
    ('calls_suspect_idx', 'customer_link_status', 'customer_link_status', '{}'),
    ('calls_suspect_idx', 'customer_link_method', 'customer_link_method', '{}'),
    ('calls_suspect_idx', 'appointment_link_status', 'appointment_link_status', '{pending_creation}'),
    ('appointments_suspect_idx', 'status', 'appointment_status', '{}'),
    ('appointments_suspect_idx', 'source', 'source', '{}'),
    ('appointments_suspect_idx', 'sync_origin', 'sync_origin', '{}'),
    ('appointments_suspect_idx', 'calcom_sync_status', 'calcom_sync_status', '{}')
) as f (index_name, column_name, vocabulary, passing);

-- a word that a team adds to a vocabulary is a suspect, and its check acquits it
alter table public.calls disable trigger user;
alter table public.calls drop constraint if exists calls_session_outcome_vocabulary;
insert into trueup.vocabularies (vocabulary, value, means) values
('session_outcome', 'forwarded', 'forwarded');
select factory.company(1);
select factory.call(1, session_outcome => 'forwarded');
select is_empty(
    'select entity_id from trueup.call_outcome_unknown', 'a word added to a vocabulary is known at once'
);

-- before PostgreSQL 17 the server does not subtract infinite times; two of them it never does
select lives_ok(
    $$
    insert into public.appointments (company_id, starts_at, ends_at, created_at)
    select 1, s.at, 'infinity', c.at
    from (values (timestamptz '-infinity'), (now())) as s (at)
    cross join (values (timestamptz '-infinity'), ('infinity')) as c (at)
    $$,
    'an appointment is stored that begins, ends or was made at infinity'
);

select * from finish();
rollback;
