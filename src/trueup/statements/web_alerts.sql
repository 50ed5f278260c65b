-- alerts, the gravest and newest first, from after one on; their evidence is on the page of each
select
    al.id,
    al.company_id,
    al.alert_type,
    al.severity,
    al.gravity,
    al.entity_type,
    al.entity_id,
    al.description,
    '{}'::jsonb as metadata,
    al.invariant,
    al.detected_at,
    al.last_seen_at,
    al.occurrences,
    al.status,
    al.snoozed,
    al.accepted,
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
    null::bigint as item_id
from trueup.console_alerts as al
where
    case %(status)s::text
        when 'open' then al.status = 'open' and not al.snoozed
        when 'snoozed' then al.snoozed
        when 'accepted' then al.accepted
        else al.status = %(status)s::text
    end
    and (%(check)s::text is null or al.alert_type = %(check)s::text)
    and (%(severity)s::text is null or al.severity = %(severity)s::text)
    and (%(company)s::text is null or al.company_id = %(company)s::text)
    and (
        %(after_id)s::bigint is null
        or (al.gravity, %(after_at)s::timestamptz, %(after_id)s::bigint)
        > (%(after_gravity)s::integer, al.detected_at, al.id)
    )
order by al.gravity, al.detected_at desc, al.id desc
limit %(limit)s::bigint;
