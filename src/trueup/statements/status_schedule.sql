-- whether anybody runs the schedule, what is due next, and what is late; no row: there is none
select
    (
        select count(*)
        from trueup.runners_overview as ru
        where ru.state = 'up'
    ) as runners_up,
    (array_agg(jo.job order by jo.due_at, jo.job) filter (where not jo.is_overdue))[1] as next_job,
    min(jo.due_at) filter (where not jo.is_overdue) as next_due_at,
    coalesce(array_agg(jo.job order by jo.job) filter (where jo.is_overdue), '{}') as overdue
from trueup.jobs_overview as jo
where jo.is_enabled
having count(*) > 0;
