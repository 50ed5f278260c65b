-- who wrote what a guard saw at COMMIT, in the period: the application and the role
select
    coalesce(al.metadata -> 'written_by' ->> 'application', '') as application,
    coalesce(al.metadata -> 'written_by' ->> 'role', '') as role,
    count(*) as alerts,
    count(distinct al.alert_type) as checks
from trueup.data_consistency_alerts as al
where
    (al.status <> 'resolved' or (al.status = 'resolved' and al.resolved_at >= %(since)s))
    and al.metadata ? 'written_by'
    and greatest(al.detected_at, al.reopened_at) between %(since)s and %(until)s
    and (%(company)s::text is null or al.company_id = %(company)s::text)
group by application, role
order by alerts desc, application, role
limit %(most)s;
