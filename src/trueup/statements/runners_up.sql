select
    ru.id,
    ru.host,
    ru.pid,
    ru.version,
    ru.started_at,
    ru.heartbeat_at
from trueup.runners as ru
where
    ru.stopped_at is null
    and ru.lost_at is null
    and ru.heartbeat_at > clock_timestamp() - ru.silent_after
order by ru.id;
