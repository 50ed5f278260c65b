select to_regclass('trueup.alembic_version') is not null;
