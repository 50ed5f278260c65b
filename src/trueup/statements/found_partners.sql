select distinct r.id
from pg_temp.trueup_violations as f
cross join lateral unnest(f.related) as r (id)
where
    f.check_name = %(name)s
    and f.entity_type = %(entity_type)s
    and f.entity_id = any(%(ids)s::text[]);
