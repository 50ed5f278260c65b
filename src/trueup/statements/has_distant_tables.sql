select to_regclass('trueup.distant_tables') is not null;
