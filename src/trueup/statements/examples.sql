select f.check_name, f.company_id, f.entity_type, f.entity_id, f.description, f.evidence
from pg_temp.trueup_violations as f
where f.check_name = %(name)s
order by length(f.entity_id), f.entity_id
limit %(most)s;
