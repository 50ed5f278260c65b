select f.check_name
from pg_temp.trueup_violations as f
group by f.check_name
having count(*) > %(most)s;
