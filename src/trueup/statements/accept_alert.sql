select al.id
from trueup.accept_alert(
    %(alert_id)s::bigint,
    coalesce(%(actor)s::text, session_user),
    %(reason)s::text,
    %(until)s::timestamptz
) as al;
