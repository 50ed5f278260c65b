-- the tables of begin_evaluation.sql; a size of NULL for one that is not there
select
    t.name,
    pg_relation_size(to_regclass('pg_temp.' || t.name)) as bytes
from unnest(array['trueup_violations', 'trueup_flooded', 'trueup_populations']) as t (name);
