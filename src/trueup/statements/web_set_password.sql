select trueup.console_set_password(%(password_hash)s::text);
