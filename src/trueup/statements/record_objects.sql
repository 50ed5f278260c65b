insert into trueup.objects as o
    (kind, identity, file, file_checksum, definition_checksum, definition, server_version)
select
    d.kind,
    d.identity,
    d.file,
    d.checksum,
    md5(live.definition),
    live.definition,
    current_setting('server_version_num')::integer / 10000
from unnest(
    %(kinds)s::text[], %(identities)s::text[], %(files)s::text[], %(checksums)s::text[]
) as d (kind, identity, file, checksum)
cross join lateral (select trueup.object_definition(d.kind, d.identity) as definition) as live
on conflict (kind, identity) do update set
    file = excluded.file,
    file_checksum = excluded.file_checksum,
    definition_checksum = excluded.definition_checksum,
    definition = excluded.definition,
    server_version = excluded.server_version,
    deployed_at = now();
