-- NULL while the tables of begin_evaluation.sql are not there
select
    pg_relation_size(to_regclass('pg_temp.trueup_violations'))
    + pg_relation_size(to_regclass('pg_temp.trueup_flooded'))
    + pg_relation_size(to_regclass('pg_temp.trueup_populations')) = 0;
