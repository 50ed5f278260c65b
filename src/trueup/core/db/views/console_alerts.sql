-- console_alerts: alerts, as far as who is signed in may see them

create or replace view trueup.console_alerts with (security_barrier) as
select
    al.id,
    al.company_id,
    al.alert_type,
    al.severity,
    array_position(array['critical', 'warning', 'info'], al.severity) as gravity,
    al.entity_type,
    al.entity_id,
    al.description,
    trueup.console_masked(al.metadata) as metadata,
    ch.invariant,
    al.detected_at,
    al.last_seen_at,
    al.occurrences,
    al.status,
    al.status <> 'resolved' and coalesce(al.snoozed_until > clock_timestamp(), false) as snoozed,
    al.status = 'acknowledged' and al.accepted_at is not null as accepted,
    al.acknowledged_by,
    al.acknowledged_at,
    al.snoozed_until,
    al.snoozed_by,
    al.accepted_by,
    al.accepted_at,
    al.accepted_reason,
    al.accepted_until,
    al.resolved_at,
    al.resolution,
    al.resolution_notes,
    al.reopened_count,
    al.reopened_at,
    (
        select max(q.id)
        from trueup.manual_review_queue as q
        where q.reason = al.alert_type and q.entity_type = al.entity_type and q.entity_id = al.entity_id
    ) as item_id
from trueup.data_consistency_alerts as al
inner join trueup.console_me as me on me.companies is null or al.company_id = any(me.companies)
left join trueup.checks as ch on al.alert_type = ch.name;
