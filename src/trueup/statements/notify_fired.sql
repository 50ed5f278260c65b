-- what the Alertmanager was last told, and the clock that counts
select nc.firing, nc.last_sent_at, clock_timestamp() as now
from trueup.notification_channels as nc
where nc.id = %(channel_id)s;
