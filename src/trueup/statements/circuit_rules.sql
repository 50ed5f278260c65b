select r.* from trueup.circuit_rules(%(key)s::text) as r;
