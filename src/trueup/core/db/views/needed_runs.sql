-- needed_runs
--
-- Runs whose results the checks on the layer itself go by, however old they are:
-- check_not_run by the latest results and the last complete one of each check,
-- guard_disarmed by the first complete one and the last that found anything. No later
-- result makes an older one needed again, so what is not here never will be.

create or replace view trueup.needed_runs as
select distinct needed.run_id
from trueup.checks as ch
cross join lateral (
    (
        select r.run_id
        from trueup.check_results as r
        where r.check_name = ch.name and r.outcome not in ('superseded', 'changed')
        order by r.run_id desc
        limit (select trueup.setting('check_failures_tolerated')::integer + 1)
    )
    union all
    (
        select r.run_id
        from trueup.check_results as r
        where r.check_name = ch.name and r.outcome = 'complete'
        order by r.run_id desc
        limit 1
    )
    union all
    (
        select r.run_id
        from trueup.check_results as r
        where r.check_name = ch.name and r.outcome = 'complete' and r.violations > 0
        order by r.run_id desc
        limit 1
    )
    union all
    (
        select r.run_id
        from trueup.check_results as r
        where r.check_name = ch.name and r.outcome = 'complete'
        order by r.run_id
        limit 1
    )
) as needed;
