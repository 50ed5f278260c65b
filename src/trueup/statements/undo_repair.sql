select %(repair_id)s::bigint as repair_id, u.rows_restored, u.constraints_loosened
from trueup.undo_repair(%(repair_id)s, coalesce(%(actor)s, session_user)) as u;
