-- entities that the violations of these name, and those whose open alerts name one of these
select r.id
from pg_temp.trueup_violations as f
cross join lateral unnest(f.related) as r (id)
where
    f.check_name = %(name)s
    and f.entity_type = %(entity_type)s
    and f.entity_id = any(%(ids)s::text[])
union
select r.entity_id
from (
    select
        al.entity_id,
        unnest(al.related) as id
    from trueup.data_consistency_alerts as al
    where
        al.alert_type = %(name)s
        and al.entity_type = %(entity_type)s
        and al.status <> 'resolved'
) as r
-- one array against the other would compare each with each; = any(...) is hashed
where r.id = any(%(ids)s::text[]);
