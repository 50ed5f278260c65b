-- core 0004: a limit of its own for a check that takes long
--
-- One --timeout for all is too short for the check that reads everything, or too long to
-- protect the server from the others. What a DBA sets here is kept by every deployment.
-- The table has one row for each check, so a scan under its lock is over at once.
-- squawk-ignore-file constraint-missing-not-valid

alter table trueup.checks
add column statement_timeout interval,
-- PostgreSQL takes no longer one
add constraint checks_statement_timeout_bounded check (
    statement_timeout >= interval '1 millisecond' and statement_timeout <= interval '24 days'
);

comment on column trueup.checks.statement_timeout is 'time that the check may take; NULL for that of the run (trueup check --timeout)';
