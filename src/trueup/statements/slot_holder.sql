-- who runs or ran the slot, or a later one, and what became of that
select
    jr.outcome,
    coalesce(jr.error, '') as error,
    format('%%s: %%s by runner %%s on %%s', jr.slot, jr.outcome, ru.id, ru.host) as said
from trueup.job_runs as jr
inner join trueup.runners as ru on jr.runner_id = ru.id
where
    jr.job = %(job)s
    and (jr.slot between %(slot)s and now() + interval '1 minute' or jr.outcome = 'running')
-- an attempt that was abandoned keeps nobody from the slot unless all were
order by jr.outcome = 'abandoned', jr.id desc
limit 1;
