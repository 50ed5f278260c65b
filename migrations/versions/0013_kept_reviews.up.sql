-- 0013_kept_reviews: decided items about failed bookings are kept, because a check rests on them
--
-- call_creation_failed_unqueued lists a failed booking that was never before a person. When
-- the decided item was pruned, after 400 days, the check listed the call again, and what a
-- person had closed came back as critical.

update trueup.retention as rt
set
    predicate = rt.predicate || $$
    and not (t.reason = 'provider_booking_failed' and t.entity_type = 'call')$$,
    description = rt.description || '; what call_creation_failed_unqueued rests on stays'
where rt.name = 'reviews';
