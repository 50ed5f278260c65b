-- the silences in force
select
    m.id,
    m.check_name as check,
    m.company_id as company,
    m.reason,
    m.actor,
    m.created_at,
    m.ends_at
from trueup.notification_mutes as m
where m.ends_at > clock_timestamp() and (%(id)s::bigint is null or m.id = %(id)s::bigint)
order by m.ends_at, m.id;
