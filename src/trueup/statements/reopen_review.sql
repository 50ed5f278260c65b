select q.id
from trueup.reopen_review(
    %(item_id)s::bigint, coalesce(%(actor)s::text, session_user), %(note)s::text
) as q;
