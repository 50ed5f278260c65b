-- job_overdue: late, failing, and the near misses of both

begin;
select plan(11);

select is_empty('select 1 from trueup.job_overdue', 'silent where nobody uses the schedule');

insert into trueup.runners (host, pid, version, application, silent_after, stopped_at)
values ('test', 1, '0', 'trueup run', '1 minute', now());

insert into trueup.jobs (name, does, schedule, timeout, due_at, done_at, is_enabled)
select 'jo_' || j.name, 'full', 'every 1d', '1 hour', now() - j.late, now() - j.done, j.name <> 'disabled'
from (
    values
    ('due', interval '9 minutes', interval '1 day'),
    ('late', interval '11 minutes', interval '2 days'),
    ('never', interval '11 minutes', null),
    ('disabled', interval '8 days', null),
    -- done while the clock was ahead
    ('ahead', interval '-2 hours', interval '-61 minutes'),
    ('hardly_ahead', interval '-2 hours', interval '-59 minutes'),
    ('failed_once', interval '-1 hour', interval '1 day'),
    ('failed_twice', interval '-1 hour', interval '1 day'),
    ('mended', interval '-1 hour', interval '1 day'),
    ('released', interval '-1 hour', interval '1 day'),
    ('at_work', interval '-1 hour', interval '1 day')
) as j (name, late, done);

insert into trueup.job_runs (job, slot, runner_id, deadline_at, finished_at, outcome, is_released, error)
select
    'jo_' || r.job,
    now() - r.age,
    (select max(ru.id) from trueup.runners as ru),
    now(),
    case when r.outcome <> 'running' then now() end,
    r.outcome,
    r.is_released,
    r.error
from (
    values
    ('failed_once', interval '2 hours', 'done', false, null),
    ('failed_once', interval '1 hour', 'failed', false, 'no disk'),
    ('failed_twice', interval '2 hours', 'abandoned', false, 'runner was lost'),
    ('failed_twice', interval '1 hour', 'failed', false, 'no disk'),
    ('mended', interval '3 hours', 'failed', false, 'no disk'),
    ('mended', interval '2 hours', 'failed', false, 'no disk'),
    ('mended', interval '1 hour', 'done', false, null),
    ('released', interval '2 hours', 'failed', false, 'no disk'),
    ('released', interval '1 hour', 'abandoned', true, 'released'),
    ('at_work', interval '2 hours', 'failed', false, 'no disk'),
    ('at_work', interval '1 hour', 'running', false, null)
) as r (job, age, outcome, is_released, error);

create temporary view listed as
select j.name, v.description, v.evidence
from trueup.job_overdue as v
inner join trueup.jobs as j on v.entity_id = j.id;

select set_eq(
    'select l.name from listed as l', array['jo_late', 'jo_never', 'jo_failed_twice', 'jo_ahead'],
    'late and failing jobs are listed, those done in the future, and no other'
);
select matches(
    (select l.description from listed as l where l.name = 'jo_late'),
    '^job jo_late has not been done since 20\d\d-', 'late'
);
select matches(
    (select l.description from listed as l where l.name = 'jo_ahead'),
    '^job jo_ahead was done at 20\d\d-.*, later than now: the clock of the server was ahead', 'ahead'
);
select is(
    (select l.description from listed as l where l.name = 'jo_never'), 'job jo_never has never been done', 'never'
);
select is(
    (select l.description from listed as l where l.name = 'jo_failed_twice'),
    'job jo_failed_twice failed 2 times in a row; last error: no disk', 'failing, with the last error'
);
select is(
    (select l.evidence ->> 'error' from listed as l where l.name = 'jo_failed_twice'), 'no disk',
    'the evidence says why'
);
update trueup.settings set value = '2' where name = 'job_failures_tolerated';
select set_eq(
    'select l.name from listed as l', array['jo_late', 'jo_never', 'jo_ahead'], 'how many failures are forgiven is a setting'
);
update trueup.settings set value = default_value where name = 'job_failures_tolerated';
update trueup.settings set value = '1 hour' where name = 'job_patience';
select set_eq('select l.name from listed as l', array['jo_failed_twice', 'jo_ahead'], 'and so is the patience');

-- done again
update trueup.jobs set done_at = now(), due_at = now() + interval '1 day';
insert into trueup.job_runs (job, slot, runner_id, deadline_at, finished_at, outcome)
select 'jo_failed_twice', now(), max(ru.id), now(), now(), 'done' from trueup.runners as ru;
select is_empty('select 1 from trueup.job_overdue', 'done again: clean');

-- its heartbeats must not make work for the passes
select is_empty(
    $$select 1 from trueup.check_reads as r where r.check_name in ('job_overdue', 'runner_lost')$$,
    'no column of the schedule is followed'
);

select * from finish();
rollback;
