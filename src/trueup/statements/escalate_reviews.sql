select q.id from trueup.escalate_reviews(coalesce(%(actor)s::text, session_user)) as q;
