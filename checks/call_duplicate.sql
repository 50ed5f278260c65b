-- call_duplicate
--
-- invariant:   no two undeleted calls of a company, one under a temporary id, are one and the same call
-- severity:    warning
-- entity:      call
-- changes:     calls.id with other_call_ids
-- population:  calls where deleted_at is null
-- prevented:   none: two calls between two numbers within seconds may both be real
-- repair:      review
-- cost:        one pass over calls; one probe of calls_numbers_started_at_idx each
--
-- The same: from and to the same numbers, started within the setting
-- duplicate_call_window, at least one of the two stored under an id temp_… . Both are
-- listed. Two withheld callers are not the same caller, but one call stored twice is
-- withheld twice, which may be NULL twice: the temporary id decides.

create or replace view trueup.call_duplicate as
select
    c.company_id,
    'call' as entity_type,
    c.id as entity_id,
    'perhaps stored twice: another call between the same numbers began within seconds' as description,
    jsonb_build_object(
        'retell_call_id', c.retell_call_id, 'started_at', c.started_at, 'other_call_ids', twins.ids
    ) as evidence
from public.calls as c
cross join lateral (
    select array_agg(t.id order by t.id) as ids
    from public.calls as t
    where
        t.company_id = c.company_id
        and (t.from_number = c.from_number or (t.from_number is null and c.from_number is null))
        and t.to_number = c.to_number
        and t.started_at > c.started_at - (
            select st.value::interval from trueup.settings as st where st.name = 'duplicate_call_window'
        )
        and t.started_at < c.started_at + (
            select st.value::interval from trueup.settings as st where st.name = 'duplicate_call_window'
        )
        and t.id <> c.id
        and t.deleted_at is null
        and (t.retell_call_id like 'temp\_%' or c.retell_call_id like 'temp\_%')
) as twins
where
    twins.ids is not null
    and c.deleted_at is null;
