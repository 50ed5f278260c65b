-- checks_overview
--
-- One row for each check that is deployed: what its last evaluation of the whole said, what is
-- open, and the mode of its guard. What runs of changes found is in open_alerts, not in
-- violations. violations and rows_tested are about all companies, open_alerts about those
-- that the session may see.

create or replace view trueup.checks_overview
with (security_invoker = true) as
select
    ch.name as check_name,
    ch.severity,
    ch.invariant,
    ch.entity,
    ch.repair,
    g.mode as guard_mode,
    g.changed_at as guard_changed_at,
    coalesce(al.open_alerts, 0) as open_alerts,
    coalesce(al.quiet_alerts, 0) as quiet_alerts,
    al.oldest_since,
    complete.rows_tested,
    complete.violations,
    complete.missed,
    complete.finished_at as last_complete_at,
    coalesce(
        greatest(complete.finished_at, ch.registered_at) < now() - 2 * may.check_interval, false
    ) as is_late,
    latest.outcome as last_outcome,
    latest.finished_at as last_run_at,
    latest.duration_ms / 1000.0 as last_duration_seconds,
    latest.planned_cost as last_planned_cost,
    latest.error as last_error,
    ch.owes_full,
    own.companies as guard_companies
from trueup.checks as ch
cross join (select (select trueup.setting('check_interval')::interval) as check_interval) as may
left join trueup.guards as g on ch.name = g.name
left join (
    select
        gc.guard,
        jsonb_object_agg(gc.company_id, gc.mode) as companies
    from trueup.guard_companies as gc
    group by gc.guard
) as own on g.name = own.guard and g.mode <> 'off'
left join (
    select
        o.check_name,
        count(*) filter (where o.status in ('open', 'acknowledged')) as open_alerts,
        count(*) filter (where o.status in ('snoozed', 'accepted')) as quiet_alerts,
        min(o.open_since) as oldest_since
    from trueup.alerts_open as o
    group by o.check_name
) as al on ch.name = al.check_name
left join lateral (
    select
        r.rows_tested,
        r.violations,
        r.missed,
        r.finished_at
    from trueup.check_results as r
    where r.check_name = ch.name and r.outcome = 'complete'
    order by r.run_id desc
    limit 1
) as complete on true
left join lateral (
    select
        r.outcome,
        r.finished_at,
        r.duration_ms,
        r.planned_cost,
        r.error
    from trueup.check_results as r
    where r.check_name = ch.name and r.outcome not in ('changed', 'superseded')
    order by r.run_id desc
    limit 1
) as latest on true
where ch.is_active;

comment on view trueup.checks_overview is 'every check that is deployed: last evaluation, open alerts, mode of its guard';
comment on column trueup.checks_overview.check_name is 'name of the check';
comment on column trueup.checks_overview.severity is 'critical, warning or info';
comment on column trueup.checks_overview.invariant is 'what must be true';
comment on column trueup.checks_overview.entity is 'kinds of rows that it is about';
comment on column trueup.checks_overview.repair is 'automatic, evidence or review';
comment on column trueup.checks_overview.guard_mode is 'off, observe or enforce; NULL for a check without a guard';
comment on column trueup.checks_overview.guard_changed_at is 'when the mode was set';
comment on column trueup.checks_overview.open_alerts is 'alerts open or acknowledged';
comment on column trueup.checks_overview.quiet_alerts is 'alerts snoozed or accepted';
comment on column trueup.checks_overview.oldest_since is 'since when the oldest of all these is open';
comment on column trueup.checks_overview.rows_tested is 'population at its last complete evaluation';
comment on column trueup.checks_overview.violations is 'rows that violated it then';
comment on column trueup.checks_overview.missed is 'those of them that passes over changes should have found and had not; NULL: nobody can tell';
comment on column trueup.checks_overview.last_complete_at is 'when its last complete evaluation ended';
comment on column trueup.checks_overview.is_late is 'that, or its registration, is longer ago than twice the setting check_interval';
comment on column trueup.checks_overview.last_outcome is 'complete, error or timeout; NULL for one never evaluated';
comment on column trueup.checks_overview.last_run_at is 'when its last evaluation of the whole ended, complete or not';
comment on column trueup.checks_overview.last_duration_seconds is 'how long that took';
comment on column trueup.checks_overview.last_planned_cost is 'what the planner expected it to cost, in its own units';
comment on column trueup.checks_overview.last_error is 'why it failed';
comment on column trueup.checks_overview.owes_full is 'why the next pass over changes evaluates it in full; NULL when it need not';
comment on column trueup.checks_overview.guard_companies is 'companies for which the guard has a mode of its own, and which; NULL for none';
