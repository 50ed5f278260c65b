-- every channel that is known, and how it is
select
    nc.name,
    nc.kind,
    nc.last_sent_at,
    (
        select count(*)
        from trueup.notifications as n
        where n.channel_id = nc.id and n.state = 'pending'
    ) as waiting,
    (
        select count(*)
        from trueup.notified_alerts as na
        where na.channel_id = nc.id
    ) as told,
    nc.failures,
    nc.failing_since,
    nc.next_attempt_at,
    nc.error
from trueup.notification_channels as nc
order by nc.name;
