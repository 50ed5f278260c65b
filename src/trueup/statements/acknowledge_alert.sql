select al.id
from trueup.acknowledge_alert(%(alert_id)s::bigint, coalesce(%(actor)s::text, session_user)) as al;
