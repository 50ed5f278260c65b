select trueup.set_guard_mode(%(name)s, %(mode)s, coalesce(%(actor)s::text, session_user), %(company_id)s);
