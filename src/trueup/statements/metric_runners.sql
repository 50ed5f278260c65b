-- hosts of containers bear a new name each time: those of runners_overview, which are there however
-- long all have been silent (an alarm about that must not end by itself), the latest first. What
-- cron starts for one job gives no further sign of life, and owes none.
select
    ru.host,
    count(*) filter (where ru.state = 'up') as runners,
    extract(epoch from max(ru.heartbeat_at)) as runner_heartbeat_timestamp_seconds
from trueup.runners_overview as ru
where ru.application not like '%% --once %%'
group by ru.host
order by max(ru.heartbeat_at) desc
limit %(most)s;
