select trueup.circuit_report(%(permit)s, %(outcome)s, make_interval(secs => %(seconds)s));
