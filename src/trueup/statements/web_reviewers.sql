select cr.name
from trueup.console_reviewers as cr
where cr.item_id = %(item_id)s::bigint
order by cr.name;
