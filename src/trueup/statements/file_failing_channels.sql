-- tell of channels that fail at once, as their check will at the next run
select count(
    trueup.file_alert(
        'notification_failing', v.company_id, v.entity_type, v.entity_id::text, v.description, v.evidence
    )
)
from trueup.notification_failing as v
where
    exists (select 1 from trueup.checks as ch where ch.name = 'notification_failing' and ch.is_active)
    and not exists (
        select 1
        from trueup.data_consistency_alerts as al
        where
            al.alert_type = 'notification_failing'
            and al.entity_type = v.entity_type
            and al.entity_id = v.entity_id::text
            and al.status <> 'resolved'
    );
