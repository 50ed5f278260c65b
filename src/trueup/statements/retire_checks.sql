-- a check without a file: kept for its history, its open alerts resolved
with retired as (
    update trueup.checks as ch
    set is_active = false, definition_changed_at = clock_timestamp()
    where ch.is_active and ch.name <> all(%(names)s::text[])
    returning ch.name
)

update trueup.data_consistency_alerts as al
set
    status = 'resolved',
    resolution = 'definition changed',
    resolution_notes = 'the check was removed',
    resolved_at = clock_timestamp()
from retired as r
where al.alert_type = r.name and al.status <> 'resolved';
