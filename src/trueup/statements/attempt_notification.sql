-- before a message is sent: counted, and only while the channel is still ours
update trueup.notifications as n
set attempts = n.attempts + 1, attempted_at = clock_timestamp()
from trueup.notification_channels as nc
where
    n.id = %(id)s
    and n.state = 'pending'
    and n.channel_id = nc.id
    and nc.lease_token = %(token)s::uuid
returning n.id;
