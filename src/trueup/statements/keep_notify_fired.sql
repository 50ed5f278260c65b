update trueup.notification_channels as nc
set
    firing = %(firing)s::text::jsonb,
    last_sent_at = clock_timestamp(),
    attempted_at = clock_timestamp(),
    failures = 0,
    failing_since = null,
    next_attempt_at = null,
    error = null
where nc.id = %(channel_id)s;
