select count(distinct (f.entity_type, f.entity_id))
from pg_temp.trueup_unaccepted as f
where f.check_name = any(%(names)s::text[]);
