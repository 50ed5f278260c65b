insert into trueup.objects as o
    (kind, identity, file, file_checksum, definition_checksum, definition, server_version)
select
    d.kind,
    d.identity,
    %(file)s,
    %(checksum)s,
    md5(live.definition),
    live.definition,
    current_setting('server_version_num')::integer / 10000
from (values (%(kind)s, %(identity)s)) as d (kind, identity)
cross join lateral (select trueup.object_definition(d.kind, d.identity) as definition) as live
on conflict (kind, identity) do update set
    file = excluded.file,
    file_checksum = excluded.file_checksum,
    definition_checksum = excluded.definition_checksum,
    definition = excluded.definition,
    server_version = excluded.server_version,
    deployed_at = now();
