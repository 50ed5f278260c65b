select q.id from trueup.extend_review(%(item_id)s::bigint, %(token)s::uuid, %(lease)s::interval) as q;
