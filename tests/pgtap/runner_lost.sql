-- runner_lost: silent and not replaced; what it left is taken over

begin;
select plan(9);

insert into trueup.runners (host, pid, version, application, silent_after, started_at, heartbeat_at, stopped_at)
select r.host, 1, '0', r.application, r.silent, now() - r.started, now() - r.beat, now() - r.stopped
from (
    values
    ('alive', 'trueup run', interval '1 minute', interval '1 day', interval '59 seconds', null),
    ('stopped', 'trueup run', interval '1 second', interval '1 day', interval '1 hour', interval '1 hour'),
    ('replaced', 'trueup run --once a', interval '1 second', interval '2 days', interval '25 hours', null),
    ('replacing', 'trueup run --once a', interval '1 second', interval '1 day', interval '1 hour', interval '1 hour'),
    ('lost', 'trueup run --once b', interval '1 second', interval '2 days', interval '61 seconds', null),
    -- longer silent than it may be, but not for so long since the server is up
    ('cut off', 'trueup run --once c', now() - pg_postmaster_start_time() + interval '1 second', interval '2 days',
        now() - pg_postmaster_start_time() + interval '1 hour', null)
) as r (host, application, silent, started, beat, stopped);

create temporary view listed as
select ru.host
from trueup.runner_lost as v
inner join trueup.runners as ru on v.entity_id = ru.id;

select set_eq('select l.host from listed as l', array['lost'], 'silent, not stopped, not replaced');

insert into trueup.jobs (name, does, schedule, timeout, due_at) values
('rl_lost', 'full', 'every 1d', '1 hour', now()), ('rl_hung', 'full', 'every 1d', '1 hour', now()),
('rl_alive', 'full', 'every 1d', '1 hour', now());
insert into trueup.job_runs (job, slot, runner_id, deadline_at)
select r.job, now(), ru.id, now() + r.rest
from (
    values ('rl_lost', 'lost', interval '1 hour'),
    ('rl_hung', 'alive', interval '-1 second'),
    ('rl_alive', 'alive', interval '1 hour')
) as r (job, host, rest)
inner join trueup.runners as ru on r.host = ru.host;

select is_empty(
    'select * from trueup.abandon_job_runs(0, true)'
    || ' where job = ''rl_lost''', 'who has just connected waits: the server may have been away'
);
update trueup.job_runs set outcome = 'running', finished_at = null;
update trueup.runners set heartbeat_at = heartbeat_at - interval '1 day' where host = 'lost';
-- the server of a test may have started a moment ago
create or replace function pg_temp.abandon() returns setof text language sql as $$
    select a.job from trueup.abandon_job_runs(0, false) as a
$$;
select set_has(
    'select pg_temp.abandon()', $$values ('rl_hung')$$, 'a run past its deadline belongs to nobody'
);
update trueup.runners set lost_at = now() where host = 'lost';
select is_empty('select pg_temp.abandon() except values (''rl_lost'')', 'what a lost runner left, too');
select set_eq(
    $$select jr.job, jr.outcome from trueup.job_runs as jr$$,
    $$values ('rl_lost', 'abandoned'), ('rl_hung', 'abandoned'), ('rl_alive', 'running')$$,
    'and what is at work is left alone'
);
select matches(
    (select jr.error from trueup.job_runs as jr where jr.job = 'rl_lost'), '^runner \d+ on lost was lost$',
    'the run says why'
);
select isnt_empty(
    $$select 1 from trueup.data_consistency_alerts as al
      inner join trueup.runners as ru on al.entity_id = ru.id::text
      where al.alert_type = 'runner_lost' and ru.host = 'alive' and al.metadata ->> 'job' = 'rl_hung'$$,
    'an alert is filed with it'
);
select is_empty('select pg_temp.abandon()', 'once');

insert into trueup.runners (host, pid, version, application, silent_after)
values ('new', 1, '0', 'trueup run --once b', '1 minute');
select is_empty('select 1 from listed', 'replaced: clean');

select * from finish();
rollback;
