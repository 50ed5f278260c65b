-- application_name is how others find the sessions of this runner
with registered as (
    insert into trueup.runners (host, pid, version, application, silent_after)
    values (%(host)s, %(pid)s, %(version)s, %(application)s, %(silent_after)s)
    returning id
)

select r.id
from registered as r
cross join lateral set_config('application_name', 'trueup run ' || r.id, false) as n;
