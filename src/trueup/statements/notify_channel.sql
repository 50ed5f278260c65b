-- a channel of the configuration; what it has been told stays with its name
insert into trueup.notification_channels as nc (name, kind)
values (%(name)s, %(kind)s)
on conflict (name) do update set kind = excluded.kind, last_seen_at = clock_timestamp()
returning nc.id;
