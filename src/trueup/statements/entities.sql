-- entity types with their table, key and the checks whose views list them
select
    cp.entity_type,
    cp.table_name,
    cp.key_column,
    cp.key_type,
    array_agg(cp.check_name order by cp.check_name) as checks
from trueup.check_populations as cp
inner join trueup.checks as ch on cp.check_name = ch.name
where ch.is_active
group by cp.entity_type, cp.table_name, cp.key_column, cp.key_type
order by cp.entity_type;
