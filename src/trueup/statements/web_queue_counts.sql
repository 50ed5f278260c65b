-- what waits, for whom (mine: held by or assigned to the person), and what the filters of what is shown may choose
select
    count(*) filter (where not q.snoozed) as open,
    count(*) filter (where q.overdue) as overdue,
    count(*) filter (where q.snoozed) as snoozed,
    count(*) filter (where %(name)s::text in (q.claimed_by, q.assigned_to)) as mine,
    array(
        select distinct o.reason
        from trueup.console_queue as o
        where o.status = any(%(shown)s::text[])
        order by o.reason
    ) as reasons,
    array(
        select distinct o.company_id
        from trueup.console_queue as o
        where o.status = any(%(shown)s::text[]) and o.company_id is not null
        order by o.company_id
        limit 500
    ) as companies
from trueup.console_queue as q
where q.status in ('pending', 'in_progress');
