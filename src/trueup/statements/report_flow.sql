-- alerts that opened, came back and were resolved in each step of time. What opened in the period is open
-- now or was resolved in it or later, so resolved alerts of long ago are not read. begins: of the steps, in
-- order, the first not after since; days are not equally long where clocks change.
with turned as (
    select al.detected_at, al.reopened_at, al.resolved_at
    from trueup.data_consistency_alerts as al
    where
        (al.status <> 'resolved' or (al.status = 'resolved' and al.resolved_at >= %(since)s))
        and (%(company)s::text is null or al.company_id = %(company)s::text)
)

select
    (%(begins)s::timestamptz[])[width_bucket(e.happened_at, %(begins)s::timestamptz[])] as begins_at,
    count(*) filter (where e.kind = 'new') as new,
    count(*) filter (where e.kind = 'reopened') as reopened,
    count(*) filter (where e.kind = 'resolved') as resolved
from turned as t
cross join lateral (
    values ('new', t.detected_at), ('reopened', t.reopened_at), ('resolved', t.resolved_at)
) as e (kind, happened_at)
where e.happened_at >= %(since)s and e.happened_at <= %(until)s
group by begins_at
order by begins_at;
