select s.service_key
from trueup.set_circuit_mode(
    %(key)s::text, %(mode)s::text, %(reason)s::text, coalesce(%(actor)s::text, session_user)
) as s;
