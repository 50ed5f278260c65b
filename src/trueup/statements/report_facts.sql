-- what a report says of itself, and the last run that evaluated every check: its population is that of the rate
select
    current_database()::text as database,
    'PostgreSQL ' || current_setting('server_version') as server,
    clock_timestamp() as taken_at,
    trueup.setting('check_interval')::interval as check_interval,
    (
        select coalesce(array_agg(t.name order by t.checks desc, t.name), '{}')
        from (
            select regexp_replace(cp.table_name, '^.*\.', '') as name, count(*) as checks
            from trueup.check_populations as cp
            inner join trueup.checks as ch on cp.check_name = ch.name
            where ch.is_active
            group by 1
        ) as t
    ) as tables,
    m.run_id,
    m.snapshot_at as measured_at
from (select 1) as one
left join lateral (
    select cr.id as run_id, cr.snapshot_at
    from trueup.check_runs as cr
    where
        cr.kind in ('full', 'repair')
        and exists (select 1 from trueup.consistency_rates as r where r.run_id = cr.id and r.company_id is null)
    order by cr.id desc
    limit 1
) as m on true;
