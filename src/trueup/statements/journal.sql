select
    r.id,
    r.repaired_at,
    r.check_name,
    r.entity_type,
    r.entity_id,
    r.reason,
    r.actor,
    (select count(*) from trueup.repair_changes as rc where rc.repair_id = r.id) as changed_rows,
    r.undone_at,
    r.undone_by
from trueup.repairs as r
where r.check_name = any(%(names)s::text[]) or cardinality(%(names)s::text[]) = 0
order by r.id desc
limit %(most)s;
