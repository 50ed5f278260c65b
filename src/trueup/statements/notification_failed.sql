-- tried again after a pause that doubles from half a minute to an hour; given up at last, and then
-- what it said counts as not said, so that the next delivery says what is still so; a test at once
with failed as (
    update trueup.notifications as n
    set
        state = case
            when n.kind = 'test' or n.created_at < clock_timestamp() - %(give_up)s::interval then 'failed'
            else 'pending'
        end,
        next_attempt_at = clock_timestamp()
            + least(interval '30 seconds' * 2 ^ least(greatest(n.attempts, 1) - 1, 10), interval '1 hour'),
        error = %(error)s
    where n.id = any(%(ids)s::bigint[]) and n.state = 'pending'
    returning n.id, n.channel_id, n.state, n.alarm_ids, n.ended_ids
),

unsaid as (
    select na.channel_id, na.alert_id, last.was_alarm
    from failed as f
    inner join trueup.notified_alerts as na on f.channel_id = na.channel_id and na.alert_id = any(f.alarm_ids)
    left join lateral (
        select na.alert_id = any(n.alarm_ids) as was_alarm
        from trueup.notifications as n
        where
            n.channel_id = na.channel_id
            and n.state = 'sent'
            and (na.alert_id = any(n.alarm_ids) or na.alert_id = any(n.ended_ids))
        order by n.id desc
        limit 1
    ) as last on true
    where f.state = 'failed'
),

-- an earlier life of it is open for the channel still: this one is told anew, or that it is over
earlier as (
    update trueup.notified_alerts as na
    set reopened_count = -1
    from unsaid as u
    where na.channel_id = u.channel_id and na.alert_id = u.alert_id and u.was_alarm
),

unheard as (
    delete from trueup.notified_alerts as na
    using unsaid as u
    where na.channel_id = u.channel_id and na.alert_id = u.alert_id and u.was_alarm is not true
),

untold as (
    insert into trueup.notified_alerts (channel_id, alert_id, check_name, company_id, reopened_count)
    select f.channel_id, al.id, al.alert_type, al.company_id, al.reopened_count
    from failed as f
    inner join trueup.data_consistency_alerts as al on al.id = any(f.ended_ids) and al.status = 'resolved'
    where f.state = 'failed'
    on conflict (channel_id, alert_id) do nothing
)

update trueup.notification_channels as nc
set
    attempted_at = clock_timestamp(),
    failures = nc.failures + 1,
    failing_since = coalesce(nc.failing_since, clock_timestamp()),
    next_attempt_at = clock_timestamp() + least(interval '30 seconds' * 2 ^ least(nc.failures, 10), interval '1 hour'),
    error = %(error)s
where nc.id = %(channel_id)s
returning nc.id;
