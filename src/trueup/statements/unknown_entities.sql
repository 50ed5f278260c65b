-- what the checks list of entities besides those of these types
select distinct f.check_name as name, f.entity_type
from pg_temp.trueup_violations as f
where
    f.check_name = any(%(names)s::text[])
    and not exists (
        select 1
        from unnest(%(names)s::text[], %(entity_types)s::text[]) as k (name, entity_type)
        where k.name = f.check_name and k.entity_type = f.entity_type
    );
