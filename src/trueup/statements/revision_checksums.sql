-- of each revision, what its SQL was when it was last run, stamped, found or accepted
select distinct on (d.name)
    d.name,
    d.checksum,
    d.finished_at
from trueup.deployments as d
where
    d.kind in ('revision', 'stamp', 'found', 'edit accepted')
    and d.outcome = 'done'
    and d.checksum is not null
order by d.name, d.id desc;
