-- each active check: what is open of it, what the period brought, and what its last evaluation said.
-- Evaluations of changes look at a few entities and say nothing about the whole.
with counted as (
    select
        al.alert_type as name,
        count(*) filter (where al.status <> 'resolved') as open,
        count(*) filter (where al.status = 'acknowledged' and al.accepted_by is not null) as accepted,
        count(*) filter (
            where al.status <> 'resolved' and al.accepted_by is null and al.snoozed_until > %(taken_at)s
        ) as snoozed,
        coalesce(
            sum((al.metadata ->> 'new')::bigint) filter (
                where
                al.status <> 'resolved'
                and al.entity_type = 'check'
                and al.metadata ? 'new'
                and al.metadata ? 'most'
            ),
            0
        )::bigint as unlisted,
        count(*) filter (where al.detected_at between %(since)s and %(until)s) as new,
        count(*) filter (where al.reopened_at between %(since)s and %(until)s) as reopened,
        count(*) filter (where al.resolved_at between %(since)s and %(until)s) as resolved,
        min(al.detected_at) filter (where al.status <> 'resolved') as open_since
    from trueup.data_consistency_alerts as al
    where
        (al.status <> 'resolved' or (al.status = 'resolved' and al.resolved_at >= %(since)s))
        and (%(company)s::text is null or al.company_id = %(company)s::text)
    group by al.alert_type
),

timed as (
    select
        r.check_name as name,
        count(*) as evaluations,
        max(r.duration_ms)::double precision as longest_ms,
        count(*) filter (where r.outcome in ('error', 'timeout')) as failures
    from trueup.check_runs as cr
    inner join trueup.check_results as r on cr.id = r.run_id
    where
        cr.started_at between %(since)s and %(until)s
        and cr.kind <> 'changed'
        and r.outcome in ('complete', 'error', 'timeout')
    group by r.check_name
)

select
    coalesce(ch.name, c.name) as name,
    coalesce(ch.invariant, '') as invariant,
    coalesce(ch.severity, 'warning') as severity,
    coalesce(ch.entity, '') as entity,
    coalesce(ch.population, '') as population,
    coalesce(ch.repair, '') as repair,
    coalesce(ch.prevented, '') as prevented,
    ch.name is not null as is_check,
    coalesce(c.open, 0) as open,
    coalesce(c.accepted, 0) as accepted,
    coalesce(c.snoozed, 0) as snoozed,
    coalesce(c.unlisted, 0) as unlisted,
    coalesce(c.new, 0) as new,
    coalesce(c.reopened, 0) as reopened,
    coalesce(c.resolved, 0) as resolved,
    c.open_since,
    last.outcome,
    last.sqlstate,
    last.finished_at as evaluated_at,
    case when %(company)s::text is null then last.rows_tested end as rows_tested,
    last.duration_ms::double precision as duration_ms,
    coalesce(t.evaluations, 0) as evaluations,
    t.longest_ms,
    coalesce(t.failures, 0) as failures
from (select * from trueup.checks where is_active) as ch
-- an alert may be of no check: repair_over_budget, and what applications file
full join counted as c on ch.name = c.name
left join timed as t on ch.name = t.name
left join lateral (
    select r.outcome, r.sqlstate, r.finished_at, r.rows_tested, r.duration_ms
    from trueup.check_results as r
    where r.check_name = ch.name and r.outcome <> 'changed' and r.outcome <> 'superseded'
    order by r.run_id desc
    limit 1
) as last on true
order by coalesce(ch.name, c.name);
