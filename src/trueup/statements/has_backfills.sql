select to_regclass('trueup.backfills') is not null;
