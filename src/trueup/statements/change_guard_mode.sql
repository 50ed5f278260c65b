select g.name
from trueup.set_guard_mode(%(name)s::text, %(mode)s::text, coalesce(%(actor)s::text, session_user)) as g;
