select q.id
from trueup.resolve_review(
    %(item_id)s::bigint, %(token)s::uuid, %(notes)s::text, %(repair)s::boolean
) as q;
