select
    au.id,
    au.happened_at,
    au.actor,
    au.role,
    host(au.address) as address,
    au.action,
    au.item_id,
    au.alert_id,
    au.details
from trueup.console_log as au
where %(before_id)s::bigint is null or au.id < %(before_id)s::bigint
order by au.id desc
limit %(limit)s::bigint;
