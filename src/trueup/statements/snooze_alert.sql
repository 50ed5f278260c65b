select al.id
from trueup.snooze_alert(
    %(alert_id)s::bigint, %(until)s::timestamptz, coalesce(%(actor)s::text, session_user)
) as al;
