update trueup.data_consistency_alerts as al
set
    status = 'resolved',
    resolution = 'fixed elsewhere',
    resolution_notes = 'a later repair was within its budget',
    resolved_at = clock_timestamp(),
    resolved_run_id = %(run_id)s
where al.alert_type = 'repair_over_budget' and al.status <> 'resolved';
