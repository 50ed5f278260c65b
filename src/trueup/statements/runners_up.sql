select
    ru.runner_id as id,
    ru.host,
    ru.pid,
    ru.version,
    ru.started_at,
    ru.heartbeat_at
from trueup.runners_overview as ru
where ru.state = 'up'
order by ru.runner_id;
