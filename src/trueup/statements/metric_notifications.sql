select
    nc.name as channel,
    nc.failures as notification_failures,
    extract(epoch from nc.last_sent_at) as notification_sent_timestamp_seconds,
    (
        select count(*)
        from trueup.notifications as n
        where n.channel_id = nc.id and n.state = 'pending'
    ) as notifications_pending
from trueup.notification_channels as nc
order by nc.last_seen_at desc, nc.name
limit %(most)s;
