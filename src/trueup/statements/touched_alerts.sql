-- what there is to file of some entities for these checks: violations, or alerts that are not resolved
select
    f.check_name as name,
    f.entity_type,
    f.entity_id
from pg_temp.trueup_violations as f
where f.check_name = any(%(names)s::text[])
union
select
    al.alert_type,
    al.entity_type,
    al.entity_id
from (
    select
        e.entity_type,
        array_agg(e.entity_id) as entity_ids
    from unnest(%(entity_types)s::text[], %(entity_ids)s::text[]) as e (entity_type, entity_id)
    group by e.entity_type
) as j
-- OFFSET 0: the index is read for the keys of one type at a time. A join would compare each alert with each key
cross join lateral (
    select
        o.alert_type,
        o.entity_type,
        o.entity_id
    from trueup.data_consistency_alerts as o
    where
        j.entity_type = o.entity_type
        and o.entity_id = any(j.entity_ids)
        and o.status <> 'resolved'
    offset 0
) as al
where al.alert_type = any(%(names)s::text[]);
