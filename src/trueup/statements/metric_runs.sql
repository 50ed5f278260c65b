select distinct on (v.kind)
    v.kind,
    extract(epoch from v.finished_at) as run_timestamp_seconds,
    v.duration_seconds as run_duration_seconds,
    coalesce(v.rows_tested, 0) as run_rows_tested,
    v.violations as run_violations,
    v.checks_failed as run_checks_failed,
    case v.kind when 'full' then v.missed end as incremental_missed
from trueup.runs_recent as v
where v.status in ('complete', 'partial')
order by v.kind, v.run_id desc;
