-- alerts, the gravest and newest first; open leaves out what is snoozed
select
    al.id,
    al.company_id,
    al.alert_type,
    al.severity,
    al.entity_type,
    al.entity_id,
    al.description,
    al.metadata,
    al.detected_at,
    al.last_seen_at,
    al.occurrences,
    al.status,
    al.acknowledged_by,
    al.acknowledged_at,
    al.snoozed_until,
    al.snoozed_by,
    al.accepted_by,
    al.accepted_at,
    al.accepted_reason,
    al.accepted_until,
    al.auto_corrected,
    al.corrected_at,
    al.resolved_at,
    al.resolution,
    al.resolution_notes,
    al.reopened_count,
    al.reopened_at,
    al.first_run_id,
    al.last_run_id,
    al.resolved_run_id
from trueup.data_consistency_alerts as al
where
    case %(status)s::text
        when 'all' then true
        when 'open' then al.status = 'open' and coalesce(al.snoozed_until <= clock_timestamp(), true)
        when 'snoozed' then al.status <> 'resolved' and al.snoozed_until > clock_timestamp()
        when 'accepted' then al.status = 'acknowledged' and al.accepted_at is not null
        else al.status = %(status)s::text
    end
    and (%(check)s::text is null or al.alert_type = %(check)s::text)
    and (%(severity)s::text is null or al.severity = %(severity)s::text)
    and (%(company)s::text is null or al.company_id = %(company)s::text)
    and (%(entity_id)s::text is null or al.entity_id = %(entity_id)s::text)
    and (%(alert_id)s::bigint is null or al.id = %(alert_id)s::bigint)
order by array_position(array['critical', 'warning', 'info'], al.severity), al.detected_at desc, al.id desc
limit %(limit)s::bigint;
