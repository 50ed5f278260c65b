-- constraints and indexes of ours on a table that are as they were recorded
select cs.name
from trueup.constraint_states as cs
where
    cs.state in ('valid', 'not valid')
    and to_regclass(cs.table_name) = %(table)s::oid
order by cs.name;
