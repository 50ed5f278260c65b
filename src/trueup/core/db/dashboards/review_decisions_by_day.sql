-- review_decisions_by_day
--
-- What people decided on each of the last 90 days, in the time zone of the session, and whether
-- in time: due times follow from the severity (settings review_due_...). Runs and repairs close
-- what is right again; those items bear no token of a claim, which a decision of a person keeps.

create or replace view trueup.review_decisions_by_day
with (security_invoker = true) as
select
    q.decided_at::date as day,
    q.company_id,
    q.reason,
    count(*) filter (where q.status = 'resolved') as resolved,
    count(*) filter (where q.status = 'dismissed') as dismissed,
    count(*) filter (where q.decided_at <= q.due_at) as in_time,
    percentile_cont(0.5) within group (order by extract(epoch from q.decided_at - q.created_at))
        as median_seconds
from trueup.manual_review_queue as q
where
    q.status in ('resolved', 'dismissed')
    and q.claim_token is not null
    and q.decided_at > now() - interval '90 days'
group by q.decided_at::date, q.company_id, q.reason;

comment on view trueup.review_decisions_by_day is 'items of the review queue that people decided on each of the last 90 days';
comment on column trueup.review_decisions_by_day.day is 'day, in the time zone of the session';
comment on column trueup.review_decisions_by_day.company_id is 'company of the entities; NULL for those of none';
comment on column trueup.review_decisions_by_day.reason is 'why a person was asked';
comment on column trueup.review_decisions_by_day.resolved is 'the row is right now';
comment on column trueup.review_decisions_by_day.dismissed is 'the row may stay as it is';
comment on column trueup.review_decisions_by_day.in_time is 'decided before they were due';
comment on column trueup.review_decisions_by_day.median_seconds is 'half of them were decided faster than this';
