-- runs_recent
--
-- The newest 200 runs of each kind, so that the passes over changes, hundreds a day, do not hide
-- the full runs. The rate is that of the company that the session is bound to, else the whole.

create or replace view trueup.runs_recent
with (security_invoker = true) as
select
    cr.id as run_id,
    cr.kind,
    cr.status,
    cr.started_at,
    cr.finished_at,
    extract(epoch from coalesce(cr.finished_at, clock_timestamp()) - cr.started_at) as duration_seconds,
    cr.checks,
    cr.checks_failed,
    tested.rows_tested,
    cr.violations,
    cr.opened,
    cr.reopened,
    cr.resolved,
    tested.missed,
    cra.rate,
    cr.error
from (
    values ('full'), ('changed'), ('selected'), ('repair')
) as k (kind)
cross join lateral (
    select newest.*
    from trueup.check_runs as newest
    where newest.kind = k.kind
    order by newest.id desc
    limit 200
) as cr
left join lateral (
    select
        sum(r.rows_tested) as rows_tested,
        sum(r.missed) as missed
    from trueup.check_results as r
    where r.run_id = cr.id
) as tested on true
left join trueup.consistency_rates as cra
    on cr.id = cra.run_id and cra.company_id is not distinct from (select s.company_id from trueup.session_company as s);

comment on view trueup.runs_recent is 'the newest 200 runs of each kind';
comment on column trueup.runs_recent.run_id is 'id in trueup.check_runs';
comment on column trueup.runs_recent.kind is 'full, changed, selected or repair';
comment on column trueup.runs_recent.status is 'running, complete, partial, failed or abandoned';
comment on column trueup.runs_recent.started_at is 'when it began';
comment on column trueup.runs_recent.finished_at is 'when it ended; NULL while it runs';
comment on column trueup.runs_recent.duration_seconds is 'how long it took, or has taken so far';
comment on column trueup.runs_recent.checks is 'checks that it evaluated';
comment on column trueup.runs_recent.checks_failed is 'those of them that failed or timed out';
comment on column trueup.runs_recent.rows_tested is 'their populations added up; in a run of changes, the entities judged';
comment on column trueup.runs_recent.violations is 'rows that violated them';
comment on column trueup.runs_recent.opened is 'alerts it opened';
comment on column trueup.runs_recent.reopened is 'alerts it reopened';
comment on column trueup.runs_recent.resolved is 'alerts it resolved';
comment on column trueup.runs_recent.missed is 'violations that passes over changes should have found and had not; NULL: nobody can tell';
comment on column trueup.runs_recent.rate is 'consistency rate in per cent; NULL where it was not measured';
comment on column trueup.runs_recent.error is 'what failed';
