select q.id
from trueup.snooze_review(
    %(item_id)s::bigint,
    %(token)s::uuid,
    %(until)s::timestamptz,
    %(note)s::text,
    coalesce(%(actor)s::text, session_user)
) as q;
