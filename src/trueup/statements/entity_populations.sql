select distinct cp.entity_type, cp.table_name, cp.company_column
from trueup.check_populations as cp
inner join trueup.checks as ch on cp.check_name = ch.name
where ch.is_active
order by cp.entity_type;
