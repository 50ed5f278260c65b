-- temporary_calls
--
-- Calls stored under an id temp_… , each with the other undeleted calls of the company
-- that are perhaps the same: from and to the same numbers, started within the setting
-- duplicate_call_window. Two calls from no number at all have the same; so do two from a
-- withheld one.

create or replace view trueup.temporary_calls as
select
    t.id,
    twin.id as twin_id
from trueup.suspect_calls as t
cross join lateral (
    select o.id
    from public.calls as o
    where
        o.company_id = t.company_id
        and (o.from_number = t.from_number or (o.from_number is null and t.from_number is null))
        and o.to_number = t.to_number
        and o.started_at > t.started_at - (
            select st.value::interval from trueup.settings as st where st.name = 'duplicate_call_window'
        )
        and o.started_at < t.started_at + (
            select st.value::interval from trueup.settings as st where st.name = 'duplicate_call_window'
        )
        and o.id <> t.id
        and o.deleted_at is null
    -- not merged into the outer query, which would look for the number in all companies
    offset 0
) as twin
where t.retell_call_id like 'temp\_%';
