-- open alerts by company and severity; accepted ones are known and aside
select
    al.company_id,
    count(*) filter (where al.severity = 'critical') as critical,
    count(*) filter (where al.severity = 'warning') as warning,
    count(*) filter (where al.severity = 'info') as info
from trueup.data_consistency_alerts as al
where
    al.status <> 'resolved'
    and al.accepted_by is null
    and (%(company)s::text is null or al.company_id = %(company)s::text)
group by al.company_id;
