-- runs of the period by kind
select
    cr.kind,
    count(*) as runs,
    count(*) filter (where cr.status = 'complete') as complete,
    count(*) filter (where cr.status = 'partial') as partial,
    count(*) filter (where cr.status in ('failed', 'abandoned')) as failed,
    max(cr.started_at) as last_at,
    max(extract(epoch from cr.finished_at - cr.started_at))::double precision as longest_s
from trueup.check_runs as cr
where cr.started_at between %(since)s and %(until)s
group by cr.kind
order by array_position(array['full', 'repair', 'changed', 'selected'], cr.kind);
