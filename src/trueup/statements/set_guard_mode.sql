select trueup.set_guard_mode(%(name)s, %(mode)s, session_user);
