select t.name
from unnest(array[
    'settings', 'checks', 'check_populations', 'check_runs', 'check_results', 'consistency_rates',
    'data_consistency_alerts', 'guards', 'constraints', 'objects', 'repairs', 'repair_changes',
    'manual_review_queue', 'manual_review_events', 'review_priorities', 'contracts'
]) as t (name)
where to_regclass('trueup.' || t.name) is null;
