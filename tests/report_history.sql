-- Months of operation, made up and always the same: for the tests of the report, and to look at one.
--
-- Full runs at two every night, but for five nights on which nothing ran and one on which two
-- checks failed; rates that recover from an incident; alerts, repairs and a queue to match.
-- Everything counts back from now.

select setseed(0.5);

-- a company's share of all rows is always the same
create temporary table nights as
select
    d as ago,
    date_trunc('day', now()) - make_interval(days => d) + interval '2 hours' as at,
    20000 - d * 60 as population,
    round((20000 - d * 60) * (
        0.004
        + 0.05 * greatest(0, (d - 60) / 30.0)
        + case when d between 20 and 26 then 0.06 * (27 - abs(23 - d) * 2) / 27.0 else 0 end
        + random() * 0.002
    ))::bigint as wrong,
    d between 40 and 44 as is_missing,
    d = 10 as is_partial
from generate_series(89, 0, -1) as d;

delete from trueup.check_runs;

insert into trueup.check_runs
    (kind, status, started_at, snapshot_at, finished_at, version, checks, checks_failed, violations)
select
    'full',
    case when n.is_partial then 'partial' else 'complete' end,
    n.at,
    n.at + interval '1 second',
    n.at + interval '40 seconds',
    '0.1.0',
    (select count(*) from trueup.checks) - case when n.ago > 30 then 3 else 0 end,
    case when n.is_partial then 2 else 0 end,
    n.wrong
from nights as n
where not n.is_missing
order by n.at;

insert into trueup.check_results
    (run_id, check_name, outcome, snapshot_at, finished_at, duration_ms, rows_tested, violations, sqlstate)
select
    cr.id,
    ch.name,
    case
        when cr.status = 'partial' and ch.name in ('call_duplicate', 'call_unknown_number') then 'timeout'
        else 'complete'
    end,
    cr.snapshot_at,
    cr.finished_at,
    20 + random() * 60 + case ch.name when 'call_duplicate' then 9000 when 'appointment_staff_overlap' then 4200 else 0 end,
    12000,
    0,
    case when cr.status = 'partial' and ch.name in ('call_duplicate', 'call_unknown_number') then '57014' end
from trueup.check_runs as cr
cross join trueup.checks as ch;

insert into trueup.consistency_rates (run_id, company_id, population, wrong, rate)
select cr.id, s.company, p.population, w.wrong, trunc(100.0 * (p.population - w.wrong) / p.population, 2)
from trueup.check_runs as cr
inner join nights as n on cr.started_at = n.at and not n.is_partial
cross join (values (null, 1.0), ('1', 0.5), ('2', 0.3), ('3', 0.2)) as s (company, share)
cross join lateral (select floor(n.population * s.share)::bigint as population) as p
cross join lateral (select least(floor(n.wrong * s.share)::bigint, p.population) as wrong) as w;

insert into trueup.data_consistency_alerts (
    company_id, alert_type, severity, entity_type, entity_id, description, detected_at, last_seen_at, status,
    resolved_at, resolution, reopened_count, reopened_at, auto_corrected, metadata
)
select
    (1 + floor(random() * 3))::text,
    ch.name,
    ch.severity,
    'call',
    (n.ago * 1000 + i)::text,
    case ch.name
        when 'call_link_status_wrong' then 'has no customer, and a link status that name and number do not bear out'
        when 'call_duplicate' then 'looks like call ' || i || ' under a temporary id'
        else 'the ' || replace(ch.name, '_', ' ')
    end,
    n.at,
    n.at,
    case when n.ago > 9 or i % 3 > 0 then 'resolved' else 'open' end,
    case when n.ago > 9 or i % 3 > 0 then least(n.at + random() * interval '2 days', now()) end,
    case when n.ago > 9 or i % 3 > 0 then 'repaired' end,
    (i % 11 = 0)::integer,
    case when i % 11 = 0 then least(n.at + interval '5 hours', now()) end,
    n.ago > 9 or i % 3 > 0,
    case when i % 4 = 0 then '{"written_by": {"role": "salon", "application": "voice-agent 4.2"}}' else '{}' end::jsonb
from nights as n
cross join generate_series(1, 400) as i
cross join lateral (
    select ch.name, ch.severity
    from trueup.checks as ch
    where
        ch.name = (
            array[
                'call_link_status_wrong', 'call_link_status_wrong', 'call_direction_missing', 'call_type_missing',
                'call_booked_without_appointment', 'call_duplicate', 'call_backlink_missing'
            ]
        )[1 + (i * 7 + n.ago) % 7]
) as ch
where not n.is_missing and i <= 3 + n.wrong / 25;

insert into trueup.repairs (run_id, check_name, company_id, entity_type, entity_id, reason, evidence, repaired_at)
select
    null,
    al.alert_type,
    al.company_id,
    al.entity_type,
    al.entity_id,
    case al.alert_type
        when 'call_link_status_wrong' then 'the status follows name and number'
        when 'call_direction_missing' then 'the number called is ours'
        when 'call_backlink_missing' then 'points back at its appointment'
        else 'from the stored provider payload'
    end,
    '{"call_id": 1, "number_matches": true}',
    al.resolved_at
from trueup.data_consistency_alerts as al
where al.status = 'resolved' and al.alert_type <> 'call_duplicate';

insert into trueup.manual_review_queue (
    company_id, reason, entity_type, entity_id, description, severity, status, due_at, created_at, decided_by, decided_at,
    claim_token
)
select
    al.company_id,
    al.alert_type,
    al.entity_type,
    al.entity_id,
    al.description,
    al.severity,
    case when al.status = 'resolved' then 'resolved' else 'pending' end,
    al.detected_at + interval '1 day',
    al.detected_at,
    case when al.status = 'resolved' then (array['ann', 'bea', 'run 7'])[1 + al.id % 3] end,
    al.resolved_at,
    -- what a run closed bears none
    case when al.status = 'resolved' and al.id % 3 <> 2 then gen_random_uuid() end
from trueup.data_consistency_alerts as al
where al.alert_type in ('call_duplicate', 'call_booked_without_appointment');

drop table nights;
