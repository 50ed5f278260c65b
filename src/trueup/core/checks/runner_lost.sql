-- runner_lost
--
-- invariant:   every runner of the schedule that ends says so, or another one has started since
-- severity:    warning
-- entity:      runner
-- changes:     time
-- population:  none
-- prevented:   none: a process that is killed cannot say so
-- repair:      review
-- cost:        the runners of the last month, which are few
--
-- A runner without a heartbeat for its silent_after was killed, hangs, or cannot reach the
-- database. The others take over what it was doing and file this alert at that moment
-- (trueup.abandon_job_runs); it resolves when a runner has started since. Look at its log,
-- and at why nothing restarted it.

create or replace view trueup.runner_lost as
select
    null as company_id,
    'runner' as entity_type,
    lr.runner_id as entity_id,
    'a runner of the schedule ended without a word' as description,
    jsonb_build_object('host', lr.host, 'pid', lr.pid, 'heartbeat_at', lr.heartbeat_at) as evidence
from trueup.lost_runners() as lr;
