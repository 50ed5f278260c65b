-- the rate of the runs that evaluated every check, and the last before the period: each of them, or the last of
-- each step of time (begins, as in report_flow) when there are more than a chart can show
with measured as (
    select
        cr.snapshot_at as measured_at,
        cr.checks,
        r.population,
        r.wrong,
        r.rate,
        case
            when cr.snapshot_at < %(since)s then '-infinity'
            when count(*) filter (where cr.snapshot_at >= %(since)s) over () <= %(most)s then cr.snapshot_at
            else (%(begins)s::timestamptz[])[width_bucket(cr.snapshot_at, %(begins)s::timestamptz[])]
        end as slot
    from trueup.check_runs as cr
    inner join trueup.consistency_rates as r on cr.id = r.run_id
    where
        cr.kind in ('full', 'repair')
        and r.company_id is not distinct from %(company)s::text
        and cr.snapshot_at <= %(until)s
)

select distinct on (m.slot)
    m.measured_at,
    m.checks,
    m.population,
    m.wrong,
    m.rate
from measured as m
order by m.slot, m.measured_at desc;
