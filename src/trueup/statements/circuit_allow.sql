select c.allowed, c.permit, c.reason from trueup.circuit_allow(%(key)s) as c;
