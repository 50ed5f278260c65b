select to_regclass('trueup.checks') is not null;
