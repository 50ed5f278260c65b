select q.id
from trueup.reassign_review(
    %(item_id)s::bigint,
    %(token)s::uuid,
    %(to)s::text,
    %(note)s::text,
    coalesce(%(actor)s::text, session_user)
) as q;
