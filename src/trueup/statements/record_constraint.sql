update trueup.constraints as ct
set
    definition_checksum = cs.live_checksum,
    server_version = current_setting('server_version_num')::integer / 10000
from trueup.constraint_states as cs
where ct.name = %(name)s and cs.name = ct.name;
