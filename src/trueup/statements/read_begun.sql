-- what the checks list whose violations time alone may begin, and how much each of them listed
with listed as (
    insert into pg_temp.trueup_violations
    select v.*
    from trueup.violations_in_time(%(names)s::text[]) as v
    returning check_name
)

select
    l.check_name as name,
    count(*) as violations
from listed as l
group by l.check_name;
