-- core 0015, taken back

alter table trueup.checks
drop column owed_xid;
