-- tables of entities that a repair would have to write elsewhere
select distinct d.table_name, d.reason
from trueup.check_populations as cp
inner join trueup.checks as ch on cp.check_name = ch.name
inner join trueup.distant_tables as d on d.table_id = to_regclass(cp.table_name)
where ch.is_active
order by d.table_name;
