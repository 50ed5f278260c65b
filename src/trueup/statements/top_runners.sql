-- runners that have not said that they stopped, those that are silent first
select
    r.host,
    r.pid,
    r.version,
    extract(epoch from clock_timestamp() - r.heartbeat_at)::float8 as silent_seconds
from trueup.runners as r
where r.stopped_at is null
order by r.heartbeat_at
limit %(most)s;
