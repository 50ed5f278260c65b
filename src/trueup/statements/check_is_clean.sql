select r.violations = 0
from trueup.check_results as r
where r.check_name = %(name)s and r.outcome = 'complete'
order by r.run_id desc
limit 1;
