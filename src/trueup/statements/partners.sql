-- entities that the violations of these name, and those whose open alerts name one of these
select r.id
from pg_temp.trueup_violations as f
cross join lateral unnest(f.related) as r (id)
where
    f.check_name = %(name)s
    and f.entity_type = %(entity_type)s
    and f.entity_id = any(%(ids)s::text[])
union
select al.entity_id
from trueup.data_consistency_alerts as al
where
    al.alert_type = %(name)s
    and al.entity_type = %(entity_type)s
    and al.status <> 'resolved'
    -- one array against the other would compare each with each; = any(...) is hashed
    and exists (
        select 1
        from unnest(al.related) as r (id)
        where r.id = any(%(ids)s::text[])
    );
