update trueup.notification_channels as nc
set firing = %(firing)s::text::jsonb
where nc.id = %(channel_id)s;
