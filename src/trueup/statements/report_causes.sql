-- open alerts that read alike, numbers aside
with alike as (
    -- most descriptions hold no number: those that are equal need not be read one by one
    select
        al.alert_type,
        al.severity,
        left(al.description, 200) as description,
        count(*) as alerts,
        min(al.detected_at) as first_at,
        min(al.entity_type || ' ' || al.entity_id) as example
    from trueup.data_consistency_alerts as al
    where
        al.status <> 'resolved'
        and al.accepted_by is null
        and (%(company)s::text is null or al.company_id = %(company)s::text)
    group by al.alert_type, al.severity, al.description
)

select
    k.alert_type as name,
    min(k.severity) as severity,
    regexp_replace(k.description, '[0-9]+', '#', 'g') as cause,
    sum(k.alerts)::bigint as alerts,
    min(k.first_at) as first_at,
    min(k.example) as example
from alike as k
group by k.alert_type, cause
order by alerts desc, name, cause
limit %(most)s;
