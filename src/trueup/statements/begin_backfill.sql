insert into trueup.backfills (name, table_name, checksum)
values (%(name)s, %(table_name)s, %(checksum)s)
on conflict (name) do nothing;
