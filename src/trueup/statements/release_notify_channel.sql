update trueup.notification_channels as nc
set lease_token = null, leased_until = null
where nc.id = %(channel_id)s and nc.lease_token = %(token)s::uuid;
