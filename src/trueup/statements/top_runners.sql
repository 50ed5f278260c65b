-- runners that have not said that they stopped, those that are up first
select
    ru.host,
    ru.pid,
    ru.version,
    ru.heartbeat_age_seconds::float8 as silent_seconds
from trueup.runners_overview as ru
where ru.state <> 'stopped'
order by ru.state <> 'up', ru.heartbeat_at desc
limit %(most)s;
