alter table trueup.changes reset (autovacuum_vacuum_scale_factor, autovacuum_vacuum_threshold);
drop index trueup.check_results_violating_idx;
drop index trueup.check_results_whole_idx;
create index check_results_check_name_run_id_idx on trueup.check_results (check_name, run_id desc);
drop index trueup.manual_review_queue_repair_id_idx;
drop index trueup.repairs_run_id_idx;
drop index trueup.repairs_repaired_at_idx;
drop index trueup.manual_review_queue_decided_at_idx;
drop index trueup.data_consistency_alerts_resolved_at_idx;
alter table trueup.manual_review_events drop constraint manual_review_events_item_id_fkey;
alter table trueup.manual_review_events
    add constraint manual_review_events_item_id_fkey
    foreign key (item_id) references trueup.manual_review_queue (id);
drop table trueup.prunes;
drop table trueup.retention;
