-- what an Alertmanager is to hold as firing: what the channel was told, is open, and nobody knows of
select
    al.alert_type as check,
    al.company_id as company,
    al.severity,
    al.entity_type,
    ch.invariant,
    count(*) as open,
    min(coalesce(al.reopened_at, al.detected_at)) as since,
    (trueup.notified_examples(array_agg(al.id order by al.id))).examples
from trueup.notified_alerts as na
inner join trueup.data_consistency_alerts as al on na.alert_id = al.id
left join trueup.checks as ch on al.alert_type = ch.name
where
    na.channel_id = %(channel_id)s
    and al.status = 'open'
    and coalesce(al.snoozed_until <= clock_timestamp(), true)
group by al.alert_type, al.company_id, al.severity, al.entity_type, ch.invariant
order by al.alert_type, al.company_id nulls first;
