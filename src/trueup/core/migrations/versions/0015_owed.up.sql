-- core 0015: a debt is paid by those only who could see what it is for
--
-- A run judges what its snapshot saw. One that began before a check came to owe a full evaluation has not
-- seen the changes that the check owes it for, which may be forgotten by then: it leaves the debt.

alter table trueup.checks
add column owed_xid xid8;

comment on column trueup.checks.owed_xid is 'the transaction that owes_full is from; a run whose snapshot does not see it leaves owes_full as it is. NULL for one from before there was this column, or from a migration, which definition_changed_at tells';
