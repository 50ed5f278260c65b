-- core 0014, taken back

drop index trueup.data_consistency_alerts_accepted_idx;
