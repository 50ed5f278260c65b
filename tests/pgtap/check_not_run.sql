-- check_not_run: late, failing, and the near misses of both

begin;
select plan(14);

update trueup.checks set is_active = name like 'nr\_%';
insert into trueup.checks (
    name, invariant, severity, entity, changes, population, prevented, repair, cost, description, file, checksum,
    registered_at
)
select 'nr_' || n.name, '', 'info', 'call', 'none', 'none', 'none: test', 'review', '', '', '', '', now() - n.age
from (
    values
    ('new', interval '47 hours'),
    ('never', interval '49 hours'),
    ('late', interval '30 days'),
    ('fresh', interval '30 days'),
    ('failed_once', interval '30 days'),
    ('failed_twice', interval '30 days'),
    ('failed_new', interval '1 hour'),
    ('mended', interval '30 days'),
    ('superseded', interval '30 days')
) as n (name, age);

insert into trueup.check_runs (kind, version) select 'full', '0' from generate_series(1, 4);
create temporary view run as
select row_number() over (order by r.id) as n, r.id from trueup.check_runs as r;
insert into trueup.check_results (run_id, check_name, outcome, finished_at, duration_ms, sqlstate, error)
select run.id, 'nr_' || r.check_name, r.outcome, now() - r.age, 1, r.sqlstate, r.error
from (
    values
    (1, 'late', 'complete', interval '49 hours', null, null),
    (1, 'fresh', 'complete', interval '47 hours', null, null),
    (1, 'failed_once', 'error', interval '3 hours', 'XX000', 'an old story'),
    (2, 'failed_once', 'complete', interval '2 hours', null, null),
    (3, 'failed_once', 'timeout', interval '1 hour', '57014', 'took longer than 5 s'),
    (1, 'failed_twice', 'complete', interval '3 hours', null, null),
    (2, 'failed_twice', 'timeout', interval '2 hours', '57014', 'took longer than 5 s'),
    (3, 'failed_twice', 'error', interval '1 hour', '42703', 'column c.gone does not exist'),
    (1, 'failed_new', 'error', interval '40 minutes', '42703', 'column c.gone does not exist'),
    (2, 'failed_new', 'error', interval '20 minutes', '42703', 'column c.gone does not exist'),
    (1, 'mended', 'error', interval '3 hours', '42703', 'column c.gone does not exist'),
    (2, 'mended', 'error', interval '2 hours', '42703', 'column c.gone does not exist'),
    (3, 'mended', 'complete', interval '1 hour', null, null),
    (1, 'superseded', 'error', interval '3 hours', '57014', 'took longer than 5 s'),
    (2, 'superseded', 'superseded', interval '2 hours', null, null),
    (3, 'superseded', 'error', interval '1 hour', null, null)
) as r (n, check_name, outcome, age, sqlstate, error)
inner join run on r.n = run.n;

create temporary view listed as
select ch.name, v.description, v.evidence, v.entity_id
from trueup.check_not_run as v
inner join trueup.checks as ch on v.entity_id = ch.id;

select set_eq(
    'select l.name from listed as l',
    array['nr_never', 'nr_late', 'nr_failed_twice', 'nr_failed_new', 'nr_superseded'],
    'late and failing checks are listed, and no other'
);
select is((select count(*) from listed), (select count(distinct l.entity_id) from listed as l), 'one row per check');
select is(
    (select l.description from listed as l where l.name = 'nr_never'),
    'check nr_never has never been evaluated completely', 'never'
);
select matches(
    (select l.description from listed as l where l.name = 'nr_late'),
    '^check nr_late has not been evaluated completely since 20\d\d-', 'late'
);
select is(
    (select l.description from listed as l where l.name = 'nr_failed_twice'),
    'check nr_failed_twice failed 2 times in a row; last error: column c.gone does not exist',
    'failing, with the last error'
);
select is(
    (select l.evidence - 'last_complete_at' from listed as l where l.name = 'nr_failed_twice'),
    '{"check": "nr_failed_twice", "outcomes": ["error", "timeout"], "sqlstate": "42703",
      "error": "column c.gone does not exist"}'::jsonb,
    'the evidence names what the server said'
);
select matches(
    (select l.description from listed as l where l.name = 'nr_superseded'),
    'has never been evaluated completely; last error: error$',
    'a superseded result is neither a success nor the end of a row of failures'
);

update trueup.checks set is_active = false where name = 'nr_never';
select is_empty('select 1 from listed as l where l.name = ''nr_never''', 'a retired check need not run');

update trueup.settings set value = '2' where name = 'check_failures_tolerated';
select set_eq(
    'select l.name from listed as l',
    array['nr_late', 'nr_superseded'],
    'how many failures are forgiven is a setting'
);
update trueup.settings set value = '0' where name = 'check_failures_tolerated';
select set_eq(
    'select l.name from listed as l',
    array['nr_late', 'nr_superseded', 'nr_failed_once', 'nr_failed_twice', 'nr_failed_new'],
    'none at all'
);
update trueup.settings set value = default_value where name = 'check_failures_tolerated';
update trueup.settings set value = '10 days' where name = 'check_interval';
select set_eq(
    'select l.name from listed as l',
    array['nr_failed_twice', 'nr_failed_new', 'nr_superseded'],
    'and so is the interval'
);
update trueup.settings set value = default_value where name = 'check_interval';

-- the next complete evaluation ends it
insert into trueup.check_results (run_id, check_name, outcome, duration_ms)
select run.id, ch.name, 'complete', 1
from run
cross join trueup.checks as ch
where run.n = 4 and ch.is_active;
select is_empty('select 1 from trueup.check_not_run', 'evaluated again: clean');

-- one that dies with an error nobody noted
insert into trueup.check_runs (kind, version) select 'full', '0' from generate_series(1, 2);
insert into trueup.check_results (run_id, check_name, outcome, duration_ms)
select run.id, 'nr_fresh', 'timeout', 1 from run where run.n > 4;
select is(
    (select l.description from listed as l),
    'check nr_fresh failed 2 times in a row; last error: timeout', 'without a text the outcome is the text'
);
select is(
    (select v.entity_type from trueup.check_not_run as v), 'check', 'the entity is the check'
);

select * from finish();
rollback;
