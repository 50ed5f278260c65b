select p.outcome, p.reason, p.changes, p.ends
from trueup.console_preview(%(item_id)s::bigint, %(token)s::uuid) as p;
