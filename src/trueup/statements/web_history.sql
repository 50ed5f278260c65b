select h.event, h.actor, h.happened_at, h.details, host(h.address) as address
from trueup.console_history as h
where h.item_id = %(item_id)s::bigint
order by h.id desc;
