-- indexes of ours on these tables, those of constraints included, and what the catalogue holds of them
select cs.name, cs.table_name, cs.kind, cs.definition, cs.check_name, cs.state
from trueup.constraint_states as cs
where cs.kind in ('index', 'unique index', 'exclude') and cs.table_name = any(%(tables)s)
order by cs.table_name, cs.name;
