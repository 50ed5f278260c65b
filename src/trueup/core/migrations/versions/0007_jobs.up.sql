-- core 0007: the schedule of `trueup run`
--
-- A slot is the instant at which a job is to run. Whoever inserts the running row of a slot
-- first runs it: two unique indexes decide, however many runners are up. A run that its
-- runner did not end is abandoned by another one, and its slot is run once more.
--
-- Nobody who never used `trueup run` has a row here, and then the checks on it are silent.

create table trueup.jobs (
    id bigint generated always as identity primary key,
    name text not null unique,
    does text not null,
    -- as people write it: '0 2 * * * Europe/Berlin', 'every 5m'
    schedule text not null,
    timeout interval not null,
    is_enabled boolean not null default true,
    -- slots before this are nobody's: the job was not on the schedule, or not at these times
    since timestamptz not null default clock_timestamp(),
    -- when the next success is to be there; written with every success
    due_at timestamptz not null,
    done_at timestamptz,
    updated_at timestamptz not null default clock_timestamp()
);

create table trueup.runners (
    id bigint generated always as identity primary key,
    host text not null,
    pid integer not null,
    version text not null,
    -- what the process is: trueup run, trueup run --once full
    application text not null,
    started_at timestamptz not null default clock_timestamp(),
    heartbeat_at timestamptz not null default clock_timestamp(),
    -- without a heartbeat for so long it counts as lost
    silent_after interval not null,
    stopped_at timestamptz,
    -- when another runner found it silent
    lost_at timestamptz
);

create table trueup.job_runs (
    id bigint generated always as identity primary key,
    job text not null,
    slot timestamptz not null,
    attempt integer not null default 1,
    runner_id bigint not null references trueup.runners (id),
    started_at timestamptz not null default clock_timestamp(),
    heartbeat_at timestamptz not null default clock_timestamp(),
    -- its timeout, and time to end it: a run that is still running then belongs to nobody
    deadline_at timestamptz not null,
    finished_at timestamptz,
    outcome text not null default 'running',
    -- run when its slot had long passed, because nobody was there
    is_late boolean not null default false,
    -- given up on purpose, by a runner that was told to stop: does not count as an attempt
    is_released boolean not null default false,
    error text,
    detail jsonb,
    constraint job_runs_outcome_known check (outcome in ('running', 'done', 'failed', 'abandoned')),
    constraint job_runs_finished check (outcome = 'running' or finished_at is not null),
    constraint job_runs_attempt_key unique (job, slot, attempt)
);

-- each slot once, besides attempts that came to nothing
create unique index job_runs_slot_key on trueup.job_runs (job, slot) where outcome <> 'abandoned';
-- a job never overlaps itself
create unique index job_runs_running_key on trueup.job_runs (job) where outcome = 'running';
create index job_runs_job_idx on trueup.job_runs (job, id);
create index job_runs_runner_id_idx on trueup.job_runs (runner_id);
create index runners_alive_idx on trueup.runners (heartbeat_at) where stopped_at is null and lost_at is null;

comment on table trueup.jobs is 'the schedule that runners go by, and until when each job is to be done (trueup run --list)';
comment on table trueup.runners is 'processes of trueup run, with their heartbeats';
comment on table trueup.job_runs is 'each slot of each job: who ran it, when, and how it ended';

insert into trueup.settings (name, value, default_value, kind, description) values
('job_patience', '10 minutes', '10 minutes', 'interval', 'how long after its slot and its timeout a job may still be missing before job_overdue reports it'),
('job_failures_tolerated', '1', '1', 'integer', 'failed runs in a row before job_overdue reports the job');

insert into trueup.retention (name, position, table_name, time_column, keep, default_keep, predicate, description) values
(
    'job_runs', 50, 'trueup.job_runs', 'started_at', '30 days', '30 days',
    $$t.outcome <> 'running'
    and exists (
        select 1
        from trueup.job_runs as later
        where later.job = t.job and later.id > t.id and later.outcome = 'done'
    )$$,
    'runs of the schedule that a later success of the same job follows'
),
(
    'runners', 51, 'trueup.runners', 'started_at', '30 days', '30 days',
    $$(t.stopped_at is not null or t.lost_at is not null)
    and not exists (select 1 from trueup.job_runs as jr where jr.runner_id = t.id)$$,
    'processes of the schedule that have ended'
);
