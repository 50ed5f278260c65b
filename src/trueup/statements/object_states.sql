select os.kind, os.identity, os.file, os.file_checksum, os.state, os.is_current_release
from trueup.object_states as os
order by os.file, os.kind, os.identity;
