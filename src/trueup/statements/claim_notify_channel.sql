-- take a channel for this delivery, unless another has it; as often as wanted by the one that has it
update trueup.notification_channels as nc
set lease_token = %(token)s::uuid, leased_until = clock_timestamp() + %(lease)s::interval
where
    nc.id = %(channel_id)s
    and (nc.lease_token = %(token)s::uuid or coalesce(nc.leased_until < clock_timestamp(), true))
returning
    nc.id,
    nc.planned_at is null as is_new,
    coalesce(nc.next_attempt_at > clock_timestamp(), false) as must_wait,
    nc.failures,
    (
        select count(*)
        from trueup.notifications as n
        where n.channel_id = nc.id and n.state = 'pending'
    ) as waiting;
