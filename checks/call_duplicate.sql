-- call_duplicate
--
-- invariant:   no two undeleted calls of a company, one under a temporary id, are one and the same call
-- severity:    warning
-- entity:      call
-- changes:     calls.id with other_call_ids
-- population:  calls where deleted_at is null
-- prevented:   none: two calls between two numbers within seconds may both be real
-- repair:      review
-- cost:        calls under a temporary id by calls_temporary_idx, one probe of
--              calls_numbers_started_at_idx each; for one call, a probe of either index
--
-- The same: from and to the same numbers, started within the setting
-- duplicate_call_window, at least one of the two stored under an id like temp_1. Both are
-- listed. Two withheld callers are not the same caller, but one call stored twice is
-- withheld twice, which may be NULL twice: the temporary id decides.

create or replace view trueup.call_duplicate as
select
    c.company_id,
    'call' as entity_type,
    twins.call_id as entity_id,
    'perhaps stored twice: another call between the same numbers began within seconds' as description,
    jsonb_build_object(
        'retell_call_id', c.retell_call_id, 'started_at', c.started_at, 'other_call_ids', twins.ids
    ) as evidence
from (
    select
        pair.call_id,
        array_agg(pair.other_id order by pair.other_id) as ids
    from (
        select
            tc.id as call_id,
            tc.twin_id as other_id
        from trueup.temporary_calls as tc
        union
        select
            tc.twin_id,
            tc.id
        from trueup.temporary_calls as tc
    ) as pair
    group by pair.call_id
) as twins
inner join public.calls as c on twins.call_id = c.id;
