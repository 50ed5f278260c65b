-- times without a run that evaluated every check, longer than one and a half intervals, and how many runs were
-- due in them. Before the first such run ever nothing was due.
with whole as (
    select cr.started_at
    from trueup.check_runs as cr
    where
        cr.kind in ('full', 'repair')
        and cr.status = 'complete'
        and cr.started_at <= %(until)s
),

followed as (
    select
        w.started_at as begins_at,
        coalesce(lead(w.started_at) over (order by w.started_at), %(until)s) as ends_at
    from whole as w
)

select
    greatest(f.begins_at, %(since)s) as begins_at,
    f.ends_at,
    greatest(
        1,
        round(
            extract(epoch from f.ends_at - greatest(f.begins_at, %(since)s))
            / extract(epoch from %(interval)s::interval)
        ) - 1
    )::bigint as missed
from followed as f
where
    f.ends_at > %(since)s
    and f.ends_at - greatest(f.begins_at, %(since)s) > 1.5 * %(interval)s::interval
order by f.begins_at desc;
