select
    s.status,
    coalesce(sum(v.failures), 0) as sync_failures
from (
    values ('pending'), ('manual_review')
) as s (status)
left join trueup.sync_overview as v on s.status = v.status
group by s.status;
