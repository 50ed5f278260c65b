select ct.table_name, ct.definition
from trueup.constraints as ct
where ct.name = %(name)s;
