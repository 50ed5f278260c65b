with counted as materialized (
    select
        v.check_name,
        v.severity,
        v.status,
        count(*) as alerts,
        min(v.open_since) as oldest_since
    from trueup.alerts_open as v
    group by v.check_name, v.severity, v.status
)

select
    c.check_name as "check",
    c.severity,
    c.status,
    c.alerts,
    extract(epoch from c.oldest_since) as alerts_oldest_timestamp_seconds
from counted as c
union all
-- without a sample at zero an alarm that has ended would only grow old; what applications
-- file under names of their own has none
select
    ch.name,
    ch.severity,
    'open',
    0,
    null
from trueup.checks as ch
where
    ch.is_active
    and not exists (
        select 1
        from counted as c
        where c.check_name = ch.name and c.severity = ch.severity and c.status = 'open'
    )
order by 1, 2, 3;
