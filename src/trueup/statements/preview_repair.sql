select p.outcome, p.reason, p.changes, p.resolved
from trueup.preview_repair(%(check)s, %(entity_type)s, %(entity_id)s) as p;
