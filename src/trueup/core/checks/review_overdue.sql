-- review_overdue
--
-- invariant:   every open item of the review queue is decided or snoozed before its due
--              time, and the queue is no longer than people can work off
-- severity:    warning
-- entity:      review_item, review_queue
-- changes:     none
-- population:  none
-- prevented:   none: only people can decide in time, and escalate_reviews moves late items up
-- repair:      review
-- cost:        open items only, by manual_review_queue_next_idx; decided ones are not read
--
-- An item in somebody's hands counts too: its lease says who works on it, not that it
-- may be late. The queue itself is one entity (id 0): with more open items than setting
-- review_queue_limit, late ones are certain, and the number is worth one alert and not
-- one per item. Snoozed items are in neither. Decide, snooze or reassign them
-- (`trueup review next`); for a queue that stays long, look for the check that feeds it.

create or replace view trueup.review_overdue as
select
    q.company_id,
    'review_item' as entity_type,
    q.id as entity_id,
    'review item is past its due time' as description,
    jsonb_build_object(
        'reason', q.reason,
        'entity_type', q.entity_type,
        'entity_id', q.entity_id,
        'severity', q.severity,
        'due_at', q.due_at
    ) as evidence
from trueup.manual_review_queue as q
where
    q.status in ('pending', 'in_progress')
    and q.due_at < now()
    and (q.snoozed_until is null or q.snoozed_until <= now())
union all
select
    null as company_id,
    'review_queue' as entity_type,
    0 as entity_id,
    'more open review items than the queue may hold' as description,
    jsonb_build_object('open', n.open, 'limit', n.may_hold) as evidence
from (
    select
        count(*) as open,
        (select trueup.setting('review_queue_limit')::integer) as may_hold
    from trueup.manual_review_queue as q
    where
        q.status in ('pending', 'in_progress')
        and (q.snoozed_until is null or q.snoozed_until <= now())
) as n
where n.open > n.may_hold;
