-- the newest run of each job, as in jobs_overview
select
    j.job,
    j.slot,
    j.outcome,
    j.started_at,
    extract(epoch from coalesce(j.finished_at, clock_timestamp()) - j.started_at)::float8 as seconds
from trueup.jobs as n
cross join lateral (
    select r.job, r.slot, r.outcome, r.started_at, r.finished_at
    from trueup.job_runs as r
    where r.job = n.name
    order by r.id desc
    limit 1
) as j
order by j.outcome <> 'running', j.started_at desc
limit %(most)s;
