select q.id from trueup.release_review(%(item_id)s::bigint, %(token)s::uuid, %(note)s::text) as q;
