-- 0013_kept_reviews, taken back: decided items about failed bookings are pruned as all others

update trueup.retention as rt
set
    predicate = replace(rt.predicate, $$
    and not (t.reason = 'provider_booking_failed' and t.entity_type = 'call')$$, ''),
    description = replace(rt.description, '; what call_creation_failed_unqueued rests on stays', '')
where rt.name = 'reviews';
