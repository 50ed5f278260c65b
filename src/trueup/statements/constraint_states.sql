select
    cs.name, cs.table_name, cs.kind, cs.definition, cs.check_name, cs.waits_for, cs.state,
    cs.left_out, cs.is_partitioned, cs.must_be_built, cs.was_there
from trueup.constraint_states as cs
order by
    array_position(array['unique index', 'index', 'check', 'exclude', 'foreign key'], cs.kind),
    cs.table_name,
    cs.name;
