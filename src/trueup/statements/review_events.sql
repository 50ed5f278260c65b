select e.event, e.actor, e.happened_at, e.details
from trueup.manual_review_events as e
where e.item_id = %(item_id)s::bigint
order by e.id;
