-- core 0004, taken back: checks with a limit of their own get that of the run

alter table trueup.checks
drop column statement_timeout;
