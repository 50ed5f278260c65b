select to_regclass('trueup.constraint_states') is not null;
