-- hosts of containers bear a new name each time: only those heard of within a day, the latest first
select
    ru.host,
    count(*) filter (where ru.stopped_at is null) as runners,
    extract(epoch from max(ru.heartbeat_at)) as runner_heartbeat_timestamp_seconds
from trueup.runners as ru
where ru.heartbeat_at > clock_timestamp() - interval '1 day'
group by ru.host
order by max(ru.heartbeat_at) desc
limit %(most)s;
