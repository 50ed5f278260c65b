-- a test that arrives says that what waits need not wait for its next time
with sent as (
    update trueup.notifications as n
    set state = 'sent', sent_at = clock_timestamp(), error = null
    where n.id = %(id)s and n.state = 'pending'
    returning n.kind
),

resumed as (
    update trueup.notifications as n
    set next_attempt_at = clock_timestamp()
    from sent as s
    where s.kind = 'test' and n.channel_id = %(channel_id)s and n.state = 'pending' and n.id <> %(id)s
)

update trueup.notification_channels as nc
set
    last_sent_at = clock_timestamp(),
    attempted_at = clock_timestamp(),
    failures = 0,
    failing_since = null,
    next_attempt_at = null,
    error = null
where nc.id = %(channel_id)s;
