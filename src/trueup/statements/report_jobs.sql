-- what the scheduler ran in the period; a slot that was abandoned and run again is one slot
select
    jr.job,
    count(distinct jr.slot) as slots,
    count(*) filter (where jr.outcome = 'done') as done,
    count(*) filter (where jr.outcome = 'failed') as failed,
    count(*) filter (where jr.outcome = 'abandoned') as abandoned,
    max(jr.slot) as last_at
from trueup.job_runs as jr
where jr.slot between %(since)s and %(until)s
group by jr.job
order by jr.job;
