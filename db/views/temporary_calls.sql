-- temporary_calls
--
-- Calls stored under an id temp_..., each with the other undeleted calls of the company
-- that are perhaps the same: from and to the same numbers, started within the setting
-- duplicate_call_window. Two calls from no number at all have the same; so do two from a
-- withheld one.
--
-- "Within" is said from either side, and no number is looked for apart, so that an index
-- bounds the pair from either end: that of all calls when it is found from the temporary
-- one, that of temporary calls when it is found from the other.

create or replace view trueup.temporary_calls as
select
    t.id,
    o.id as twin_id
from public.calls as t
inner join public.calls as o
    on
        t.company_id = o.company_id
        and t.from_number = o.from_number
        and t.to_number = o.to_number
        and o.started_at >= t.started_at - (
            select st.value::interval from trueup.settings as st where st.name = 'duplicate_call_window'
        )
        and o.started_at <= t.started_at + (
            select st.value::interval from trueup.settings as st where st.name = 'duplicate_call_window'
        )
        and t.started_at >= o.started_at - (
            select st.value::interval from trueup.settings as st where st.name = 'duplicate_call_window'
        )
        and t.started_at <= o.started_at + (
            select st.value::interval from trueup.settings as st where st.name = 'duplicate_call_window'
        )
        and t.id <> o.id
where
    starts_with(t.retell_call_id, 'temp_')
    and t.deleted_at is null
    and o.deleted_at is null
union all
select
    t.id,
    o.id as twin_id
from public.calls as t
inner join public.calls as o
    on
        t.company_id = o.company_id
        and t.to_number = o.to_number
        and o.started_at >= t.started_at - (
            select st.value::interval from trueup.settings as st where st.name = 'duplicate_call_window'
        )
        and o.started_at <= t.started_at + (
            select st.value::interval from trueup.settings as st where st.name = 'duplicate_call_window'
        )
        and t.started_at >= o.started_at - (
            select st.value::interval from trueup.settings as st where st.name = 'duplicate_call_window'
        )
        and t.started_at <= o.started_at + (
            select st.value::interval from trueup.settings as st where st.name = 'duplicate_call_window'
        )
        and t.id <> o.id
where
    starts_with(t.retell_call_id, 'temp_')
    and t.from_number is null
    and o.from_number is null
    and t.deleted_at is null
    and o.deleted_at is null;
