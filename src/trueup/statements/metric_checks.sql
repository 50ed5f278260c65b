select
    v.check_name as "check",
    v.severity,
    v.violations as check_violations,
    v.rows_tested as check_rows_tested,
    v.last_duration_seconds as check_duration_seconds,
    v.last_planned_cost as check_planned_cost,
    coalesce(v.last_outcome = 'complete', false)::integer as check_up,
    v.is_late::integer as check_late,
    extract(epoch from v.last_complete_at) as check_last_complete_timestamp_seconds
from trueup.checks_overview as v
order by v.check_name;
