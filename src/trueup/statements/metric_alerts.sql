select
    v.check_name as "check",
    v.severity,
    v.status,
    sum(v.alerts) as alerts,
    extract(epoch from min(v.oldest_since)) as alerts_oldest_timestamp_seconds
from trueup.alerts_by_check as v
group by v.check_name, v.severity, v.status
union all
-- without a row at zero an alarm that has ended would only grow old; what applications file
-- under names of their own has none
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
        from trueup.alerts_by_check as v
        where v.check_name = ch.name and v.severity = ch.severity and v.status = 'open'
    )
order by 1, 2, 3;
