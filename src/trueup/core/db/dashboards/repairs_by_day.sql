-- repairs_by_day
--
-- What was corrected on each of the last 90 days, in the time zone of the session; who could
-- not be corrected is in the review queue.

create or replace view trueup.repairs_by_day
with (security_invoker = true) as
select
    rp.repaired_at::date as day,
    rp.company_id,
    rp.check_name,
    count(*) as corrected,
    count(*) filter (where rp.undone_at is not null) as undone
from trueup.repairs as rp
where rp.repaired_at > now() - interval '90 days'
group by rp.repaired_at::date, rp.company_id, rp.check_name;

comment on view trueup.repairs_by_day is 'corrections of each of the last 90 days';
comment on column trueup.repairs_by_day.day is 'day, in the time zone of the session';
comment on column trueup.repairs_by_day.company_id is 'company of the entities; NULL for those of none';
comment on column trueup.repairs_by_day.check_name is 'check whose repair it was';
comment on column trueup.repairs_by_day.corrected is 'entities corrected on that day';
comment on column trueup.repairs_by_day.undone is 'those of them that were undone since';
