select a.attempt_id, a.password_hash, extract(epoch from a.wait)::float8 as wait
from trueup.console_attempt(%(name)s::text, %(address)s::inet) as a;
