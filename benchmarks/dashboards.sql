-- Rows for the views of db/dashboards: %(alerts)s alerts, half of them open, and in proportion what
-- else stands behind them: three months of nightly runs, a week of passes over changes, rates of
-- every company, repairs, the review queue, a month of the schedule, messages,
-- and a week of calls. For a transaction that is
-- rolled back; triggers are off.
set local session_replication_role = replica;

create temporary table planted on commit drop as
select
    %(alerts)s::integer as alerts,
    (select array_agg(ch.name order by ch.name) from trueup.checks as ch where ch.is_active) as checks,
    (select array_agg(k.id order by k.id) from public.companies as k) as companies;

insert into trueup.data_consistency_alerts (
    company_id, alert_type, severity, entity_type, entity_id, description, detected_at, last_seen_at, status,
    acknowledged_by, snoozed_until, resolved_at, resolution, reopened_count, reopened_at
)
select
    p.companies[1 + n.i %% cardinality(p.companies)],
    p.checks[1 + n.i %% cardinality(p.checks)],
    (array['critical', 'warning', 'info'])[1 + n.i %% 3],
    'planted',
    n.i,
    'a row of the benchmark',
    found.at,
    now(),
    case when n.i > p.alerts / 2 then 'resolved' when n.i %% 10 = 0 then 'acknowledged' else 'open' end,
    case when n.i %% 10 = 0 then 'ann' end,
    case when n.i %% 20 = 1 then now() + interval '1 day' end,
    case when n.i > p.alerts / 2 then found.at + interval '1 hour' end,
    case when n.i > p.alerts / 2 then 'repaired' end,
    (n.i %% 10 = 3)::integer,
    case when n.i %% 10 = 3 then found.at + interval '30 minutes' end
from planted as p
cross join lateral generate_series(1, p.alerts) as n (i)
cross join lateral (select now() - n.i * (interval '90 days' / p.alerts) as at) as found;

insert into trueup.check_runs (kind, status, started_at, finished_at, version, checks)
select
    r.kind,
    'complete',
    r.started_at,
    r.started_at + interval '1 minute',
    'benchmark',
    cardinality(p.checks)
from planted as p
cross join (
    select 'full' as kind, now() - n.i * interval '1 day' as started_at
    from generate_series(1, 90) as n (i)
    union all
    select 'changed', now() - n.i * interval '5 minutes'
    from generate_series(1, 2000) as n (i)
    order by started_at
) as r;

insert into trueup.check_results (run_id, check_name, outcome, finished_at, duration_ms, rows_tested, violations, missed)
select
    cr.id,
    ch.name,
    case cr.kind when 'full' then 'complete' else 'changed' end,
    cr.finished_at,
    1,
    1000,
    1,
    0
from trueup.check_runs as cr
cross join trueup.checks as ch
where cr.version = 'benchmark' and ch.is_active and (cr.kind = 'full' or ch.id %% 6 = cr.id %% 6);

insert into trueup.consistency_rates (run_id, company_id, population, wrong, rate)
select
    cr.id,
    k.company_id,
    10000,
    7,
    99.93
from trueup.check_runs as cr
cross join planted as p
cross join lateral (
    select null as company_id
    union all
    select unnest(p.companies)::text
) as k
where cr.version = 'benchmark' and cr.kind = 'full';

insert into trueup.repairs (check_name, company_id, entity_type, entity_id, reason, repaired_at, undone_at)
select
    p.checks[1 + n.i %% cardinality(p.checks)],
    p.companies[1 + n.i %% cardinality(p.companies)],
    'planted',
    n.i,
    'a row of the benchmark',
    now() - n.i * (interval '450 days' / p.alerts),
    case when n.i %% 100 = 0 then now() end
from planted as p
cross join lateral generate_series(1, p.alerts / 5) as n (i);

insert into trueup.manual_review_queue (
    company_id, reason, entity_type, entity_id, description, severity, status, due_at, decided_at, claim_token, created_at
)
select
    p.companies[1 + n.i %% cardinality(p.companies)],
    p.checks[1 + n.i %% cardinality(p.checks)],
    'planted',
    n.i,
    'a row of the benchmark',
    (array['critical', 'warning', 'info'])[1 + n.i %% 3],
    case when n.i %% 2 = 0 then 'resolved' else 'pending' end,
    found.at + interval '1 day',
    case when n.i %% 2 = 0 then found.at + interval '2 hours' end,
    case when n.i %% 2 = 0 then gen_random_uuid() end,
    found.at
from planted as p
cross join lateral generate_series(1, p.alerts / 5) as n (i)
cross join lateral (select now() - n.i * (interval '450 days' / p.alerts) as at) as found;

insert into trueup.changes (table_name, keys)
select 'public.calls', array['id=' || n.i]
from generate_series(1, 10000) as n (i);

-- started by cron: a process for each run
insert into trueup.jobs (name, does, schedule, timeout, due_at)
select 'job ' || n.i, 'full', 'x', interval '1 hour', now()
from generate_series(1, 8) as n (i);

with started as (
    insert into trueup.runners (host, pid, version, application, silent_after, heartbeat_at, stopped_at)
    select
        'h', n.i, '0', 'trueup run --once x', interval '1 minute',
        now() - n.i * interval '3 minutes', now() - n.i * interval '3 minutes'
    from generate_series(1, 15000) as n (i)
    returning id, pid, heartbeat_at
)

insert into trueup.job_runs (job, slot, runner_id, started_at, finished_at, deadline_at, outcome)
select
    'job ' || 1 + st.pid %% 8, st.heartbeat_at, st.id, st.heartbeat_at, st.heartbeat_at, st.heartbeat_at,
    case when st.pid %% 50 = 0 then 'failed' else 'done' end
from started as st
order by st.heartbeat_at;

insert into trueup.notification_channels (name, kind)
select 'channel ' || n.i, 'x'
from generate_series(1, 20) as n (i);

insert into trueup.notifications (channel_id, channel, kind, company_id, severity, subject, body, content, state, sent_at)
select nc.id, nc.name, 'alarm', n.i, 'info', 'x', 'x', '{}', s.state, case s.state when 'sent' then now() end
from trueup.notification_channels as nc
cross join generate_series(1, 500) as n (i)
cross join lateral (select case when n.i %% 10 = 0 then 'pending' else 'sent' end as state) as s;

-- as many calls a day as there are on average, copies of the newest
insert into public.calls overriding system value
select copied.*
from (
    select
        c.*,
        row_number() over (order by c.id) as i,
        count(*) over () as week,
        (select max(newest.id) from public.calls as newest) as newest
    from public.calls as c
    order by c.id desc
    limit (select count(*) * 7 / 365 from public.calls as whole)
) as c
cross join lateral jsonb_populate_record(
    null::public.calls,
    to_jsonb(c) || jsonb_build_object(
        'id', c.newest + c.i,
        'retell_call_id', 'planted_' || c.i,
        -- none of the faults that constraints refuse
        'direction', 'inbound',
        'customer_id', null,
        'customer_link_status', 'unlinked',
        'customer_link_method', null,
        'customer_link_confidence', null,
        'customer_linked_at', null,
        'created_at', current_date - 6 + c.i * (now() - (current_date - 6)) / c.week
    )
) as copied;

analyze trueup.data_consistency_alerts, trueup.check_runs, trueup.check_results, trueup.consistency_rates,
    trueup.repairs, trueup.manual_review_queue, trueup.changes, trueup.jobs, trueup.runners, trueup.job_runs,
    trueup.notification_channels, trueup.notifications;

reset session_replication_role;
