-- a database that was migrated before the scheduler came has no jobs
select coalesce(
    has_table_privilege(to_regclass('trueup.job_runs'), 'select'),
    false
);
