-- the tables that hold the entities of a check, with their keys
select cp.entity_type, cp.table_name, cp.key_column, cp.key_type
from trueup.check_populations as cp
where cp.check_name = %(name)s
order by cp.entity_type;
