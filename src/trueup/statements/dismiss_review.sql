select q.id from trueup.dismiss_review(%(item_id)s::bigint, %(token)s::uuid, %(notes)s::text) as q;
