-- core 0002, taken back: changes not yet judged are lost, so a full run should follow

delete from trueup.settings as st where st.name = 'changes_limit';

alter table trueup.check_results
drop column missed;

delete from trueup.check_results as r where r.outcome = 'changed';

alter table trueup.check_results
drop constraint check_results_outcome_known,
add constraint check_results_outcome_known check (outcome in ('complete', 'error', 'timeout', 'superseded'));

delete from trueup.check_runs as cr where cr.kind = 'changed';

alter table trueup.check_runs
drop constraint check_runs_kind_known,
add constraint check_runs_kind_known check (kind in ('full', 'selected', 'repair'));

alter table trueup.data_consistency_alerts
drop column related;

drop index trueup.data_consistency_alerts_accepted_until_idx;

alter table trueup.checks
drop column owes_full;

delete from trueup.tables as t where t.name in ('changes', 'check_tables');

drop table trueup.check_tables;
drop table trueup.changes;
