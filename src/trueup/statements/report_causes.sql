-- open alerts that read alike, numbers aside
select
    al.alert_type as name,
    min(al.severity) as severity,
    regexp_replace(al.description, '[0-9]+', '#', 'g') as cause,
    count(*) as alerts,
    min(al.detected_at) as first_at,
    (array_agg(al.entity_type || ' ' || al.entity_id order by al.id desc))[1] as example
from (
    select x.alert_type, x.severity, left(x.description, 200) as description, x.detected_at, x.entity_type, x.entity_id, x.id
    from trueup.data_consistency_alerts as x
    where
        x.status <> 'resolved'
        and x.accepted_by is null
        and (%(company)s::text is null or x.company_id = %(company)s::text)
) as al
group by al.alert_type, cause
order by alerts desc, name, cause
limit %(most)s;
