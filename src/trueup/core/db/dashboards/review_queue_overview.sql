-- review_queue_overview
--
-- The open items of the review queue, counted. A snoozed item is not overdue.

create or replace view trueup.review_queue_overview
with (security_invoker = true) as
select
    q.company_id,
    q.reason,
    q.severity,
    q.status,
    count(*) as items,
    count(*) filter (where q.status <> 'snoozed' and q.due_at < now()) as overdue,
    count(*) filter (where q.escalated_at is not null) as escalated,
    min(q.created_at) as oldest_at,
    min(q.due_at) as earliest_due_at
from (
    select
        mrq.company_id,
        mrq.reason,
        mrq.severity,
        case when mrq.snoozed_until > now() then 'snoozed' else mrq.status end as status,
        mrq.due_at,
        mrq.escalated_at,
        mrq.created_at
    from trueup.manual_review_queue as mrq
    where mrq.status in ('pending', 'in_progress')
) as q
group by q.company_id, q.reason, q.severity, q.status;

comment on view trueup.review_queue_overview is 'open items of the review queue, counted by company, reason, severity and status';
comment on column trueup.review_queue_overview.company_id is 'company of the entities; NULL for those of none';
comment on column trueup.review_queue_overview.reason is 'why a person is asked: a check, or what an application says';
comment on column trueup.review_queue_overview.severity is 'critical, warning or info';
comment on column trueup.review_queue_overview.status is 'pending, in_progress or snoozed';
comment on column trueup.review_queue_overview.items is 'how many';
comment on column trueup.review_queue_overview.overdue is 'past their due time, and not snoozed';
comment on column trueup.review_queue_overview.escalated is 'moved up because they were late';
comment on column trueup.review_queue_overview.oldest_at is 'when the oldest was handed over';
comment on column trueup.review_queue_overview.earliest_due_at is 'when the first is, or was, due';
