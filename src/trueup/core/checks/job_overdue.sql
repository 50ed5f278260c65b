-- job_overdue
--
-- invariant:   every job of the schedule was done when it should have been, and its latest
--              runs did not all fail
-- severity:    critical
-- entity:      job
-- changes:     time
-- population:  none
-- prevented:   none: a runner that does not run cannot be made to by the database
-- repair:      review
-- cost:        a few rows of trueup.jobs; per job the latest rows of job_runs_job_idx
--
-- A job is late when its slot, its timeout and setting job_patience have passed without a
-- success; one failure is forgiven (setting job_failures_tolerated). One that was done more
-- than an hour from now, when the server's clock was ahead, is reported until its next
-- success. Silent where nobody ever used `trueup run`. Look at the error, then whether a
-- runner is up: `trueup run --list`. When all of them are down nobody evaluates this either:
-- watch the heartbeat from outside. A job that is not wanted any more is disabled in the
-- configuration, a schedule that is given up is ended with `trueup run --retire`.

create or replace view trueup.job_overdue as
select
    null as company_id,
    'job' as entity_type,
    oj.job_id as entity_id,
    oj.description,
    oj.evidence
from trueup.overdue_jobs() as oj;
