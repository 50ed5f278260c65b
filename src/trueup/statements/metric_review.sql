-- applications name reasons as they like: those with most items are told one by one
with ranked as (
    select
        v.reason,
        rank() over (order by sum(v.items) desc, v.reason) <= %(most)s as is_told
    from trueup.review_queue_overview as v
    group by v.reason
)

select
    case when r.is_told then v.reason else 'other' end as reason,
    v.status,
    sum(v.items) as review_items,
    sum(v.overdue) as review_overdue_items,
    extract(epoch from min(v.oldest_at)) as review_oldest_timestamp_seconds
from trueup.review_queue_overview as v
inner join ranked as r on v.reason = r.reason
group by 1, v.status
order by 1, 2;
