-- where and when it is, what there is to look at, and what waits, in one row
select
    current_database()::text as database,
    current_setting('server_version') as server,
    clock_timestamp() as now,
    to_regclass('trueup.circuit_breaker_states') is not null as has_circuits,
    q.waiting,
    q.held,
    q.overdue,
    q.snoozed,
    q.oldest,
    c.statements as changes,
    c.since as changes_since,
    (
        select r.rate
        from trueup.consistency_rates as r
        where r.company_id is null
        order by r.run_id desc
        limit 1
    ) as rate
from (
    select
        count(*) as waiting,
        count(*) filter (where i.lease_expires_at > clock_timestamp()) as held,
        count(*) filter (
            where i.due_at < clock_timestamp() and coalesce(i.snoozed_until <= clock_timestamp(), true)
        ) as overdue,
        count(*) filter (where i.snoozed_until > clock_timestamp()) as snoozed,
        min(i.created_at) as oldest
    from trueup.manual_review_queue as i
    where i.status in ('pending', 'in_progress')
) as q
cross join (
    select count(*) as statements, min(ch.changed_at) as since from trueup.changes as ch
) as c;
