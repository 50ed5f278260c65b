-- the silences in force now, and those of the channel's last delivery that have ended since
with now_muted as (
    select coalesce(array_agg(m.id order by m.id), '{}') as ids
    from trueup.notification_mutes as m
    where m.ends_at > clock_timestamp()
)

update trueup.notification_channels as nc
set planned_at = clock_timestamp(), mute_ids = nm.ids
from now_muted as nm, trueup.notification_channels as old
where nc.id = %(channel_id)s and old.id = nc.id
returning
    nm.ids as muted,
    array(
        select o.id
        from unnest(old.mute_ids) as o (id)
        where o.id <> all (nm.ids)
    ) as ended;
