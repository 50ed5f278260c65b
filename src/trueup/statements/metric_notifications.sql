select
    co.channel,
    co.failures as notification_failures,
    extract(epoch from co.last_sent_at) as notification_sent_timestamp_seconds,
    co.pending_messages as notifications_pending
from trueup.channels_overview as co
order by co.last_seen_at desc, co.channel
limit %(most)s;
