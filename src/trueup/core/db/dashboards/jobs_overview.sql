-- jobs_overview
--
-- One row for each job of the schedule (trueup run), with its newest run. A run that its runner
-- gave up because it was told to stop is none that failed.

create or replace view trueup.jobs_overview
with (security_invoker = true) as
select
    j.name as job,
    j.does,
    j.schedule,
    j.is_enabled,
    latest.slot as last_slot,
    latest.outcome as last_outcome,
    latest.error as last_error,
    extract(epoch from coalesce(latest.finished_at, clock_timestamp()) - latest.started_at) as last_duration_seconds,
    j.done_at,
    j.due_at,
    j.is_enabled and j.due_at < now() - may.be_missing as is_overdue,
    week.runs as runs_7_days,
    week.failures as failures_7_days
from trueup.jobs as j
cross join (select (select trueup.setting('job_patience')::interval) as be_missing) as may
left join lateral (
    select
        jr.slot,
        jr.outcome,
        jr.error,
        jr.started_at,
        jr.finished_at
    from trueup.job_runs as jr
    where jr.job = j.name
    order by jr.id desc
    limit 1
) as latest on true
cross join lateral (
    select
        count(*) as runs,
        count(*) filter (where jr.outcome in ('failed', 'abandoned')) as failures
    from trueup.job_runs as jr
    where jr.job = j.name and jr.started_at > now() - interval '7 days' and not jr.is_released
) as week;

comment on view trueup.jobs_overview is 'every job of the schedule, with its newest run';
comment on column trueup.jobs_overview.job is 'name of the job';
comment on column trueup.jobs_overview.does is 'what it does: changed, full, queue, notify and so on';
comment on column trueup.jobs_overview.schedule is 'its times, as in the configuration';
comment on column trueup.jobs_overview.is_enabled is 'on the schedule; false for one that was taken off';
comment on column trueup.jobs_overview.last_slot is 'the time its newest run was for; NULL for one that never ran';
comment on column trueup.jobs_overview.last_outcome is 'running, done, failed or abandoned';
comment on column trueup.jobs_overview.last_error is 'why that failed';
comment on column trueup.jobs_overview.last_duration_seconds is 'how long it took, or has taken so far';
comment on column trueup.jobs_overview.done_at is 'when it last succeeded';
comment on column trueup.jobs_overview.due_at is 'when the next success is to be there';
comment on column trueup.jobs_overview.is_overdue is 'that was longer ago than the setting job_patience';
comment on column trueup.jobs_overview.runs_7_days is 'runs begun in the last seven days';
comment on column trueup.jobs_overview.failures_7_days is 'those of them that failed or were abandoned';
