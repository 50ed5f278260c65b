-- a check without a file: kept for its history, its open alerts resolved, and its questions to people,
-- but for those that somebody has taken
with retired as (
    update trueup.checks as ch
    set is_active = false, definition_changed_at = clock_timestamp()
    where ch.is_active and ch.name <> all(%(names)s::text[])
    returning ch.name
),

over as (
    update trueup.data_consistency_alerts as al
    set
        status = 'resolved',
        resolution = 'definition changed',
        resolution_notes = 'the check was removed',
        resolved_at = clock_timestamp()
    from retired as r
    where al.alert_type = r.name and al.status <> 'resolved'
),

closed as (
    update trueup.manual_review_queue as q
    set
        status = 'resolved',
        claimed_by = null,
        claim_token = null,
        lease_expires_at = null,
        decided_at = clock_timestamp(),
        decided_by = session_user,
        resolution_notes = 'the check was removed',
        updated_at = clock_timestamp()
    from retired as r
    where
        q.reason = r.name
        and (q.status = 'pending' or (q.status = 'in_progress' and q.lease_expires_at < clock_timestamp()))
    returning q.id
)

insert into trueup.manual_review_events (item_id, event, actor, details)
select c.id, 'resolved', session_user, jsonb_build_object('notes', 'the check was removed')
from closed as c;
