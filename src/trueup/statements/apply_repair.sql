select
    %(check)s::text as check_name,
    %(entity_type)s::text as entity_type,
    %(entity_id)s::text as entity_id,
    r.outcome,
    r.reason,
    r.repair_id
from trueup.apply_repair(
    %(check)s, %(entity_type)s, %(entity_id)s, coalesce(%(actor)s, session_user), %(run_id)s, %(correct)s
) as r;
