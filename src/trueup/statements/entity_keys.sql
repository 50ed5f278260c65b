select distinct cp.entity_type, cp.table_name, cp.key_column, cp.key_type
from trueup.check_populations as cp
inner join trueup.checks as ch on cp.check_name = ch.name
where ch.is_active;
