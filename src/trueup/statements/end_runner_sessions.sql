select trueup.end_runner_sessions(%(runner_id)s, %(job)s);
