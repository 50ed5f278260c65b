-- who runs or ran the slot, or a later one
select format('%%s: %%s by runner %%s on %%s', jr.slot, jr.outcome, ru.id, ru.host)
from trueup.job_runs as jr
inner join trueup.runners as ru on jr.runner_id = ru.id
where jr.job = %(job)s and (jr.slot >= %(slot)s or jr.outcome = 'running')
order by jr.id desc
limit 1;
