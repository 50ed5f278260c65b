select distinct on (cr.kind)
    cr.id,
    cr.kind,
    cr.status,
    cr.started_at,
    cr.finished_at,
    cr.violations,
    cr.checks_failed,
    (select r.rate from trueup.consistency_rates as r where r.run_id = cr.id and r.company_id is null) as rate
from trueup.check_runs as cr
order by cr.kind, cr.id desc;
