-- before a message is sent: counted, and only while the channel is still ours, and when nothing
-- said before about the same alerts waits: a recovery does not overtake its alarm
update trueup.notifications as n
set attempts = n.attempts + 1, attempted_at = clock_timestamp()
from trueup.notification_channels as nc
where
    n.id = %(id)s
    and n.state = 'pending'
    and n.channel_id = nc.id
    and nc.lease_token = %(token)s::uuid
    and not exists (
        select 1
        from trueup.notifications as earlier
        cross join lateral unnest(earlier.alarm_ids || earlier.ended_ids) as waiting (alert_id)
        inner join unnest(n.alarm_ids || n.ended_ids) as said (alert_id) on waiting.alert_id = said.alert_id
        where earlier.channel_id = n.channel_id and earlier.id < n.id and earlier.state = 'pending'
    )
returning n.id;
