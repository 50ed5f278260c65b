select *
from trueup.file_violations(
    %(run_id)s, %(name)s, %(most)s, %(entity_type)s, %(entity_ids)s::text[], %(expected)s::text[], %(total)s
);
