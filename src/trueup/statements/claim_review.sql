select q.id, q.claim_token as token
from trueup.claim_review(
    coalesce(%(reviewer)s::text, session_user),
    %(item_id)s::bigint,
    %(lease)s::interval,
    %(company)s::text
) as q
where q.id is not null;
