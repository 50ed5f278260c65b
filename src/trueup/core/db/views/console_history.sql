-- console_history: what happened to an item, and from where when it was done in the console

create or replace view trueup.console_history with (security_barrier) as
select
    e.id,
    e.item_id,
    e.event,
    e.actor,
    e.happened_at,
    e.details,
    au.address
from trueup.manual_review_events as e
inner join trueup.console_queue as q on e.item_id = q.id
left join trueup.console_audit as au on e.id = au.event_id;
