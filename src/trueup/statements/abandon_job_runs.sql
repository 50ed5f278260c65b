select
    a.run_id as id,
    a.job,
    a.slot,
    a.runner_id,
    a.error
from trueup.abandon_job_runs(%(runner_id)s, %(is_patient)s) as a;
