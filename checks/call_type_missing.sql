-- call_type_missing
--
-- invariant:   a call that has ended says what kind of call it was
-- severity:    info
-- entity:      call
-- changes:     calls.id
-- population:  calls where status in ('ended', 'analyzed', 'completed') and deleted_at is null
-- prevented:   fill calls_fill_type
-- repair:      evidence
-- cost:        one pass over calls
--
-- Ended in any spelling: a synonym of the vocabulary counts as the word it means.

create or replace view trueup.call_type_missing as
select
    c.company_id,
    'call' as entity_type,
    c.id as entity_id,
    'ended without a call_type' as description,
    jsonb_build_object('status', c.status) as evidence
from public.calls as c
where
    c.call_type is null
    and c.deleted_at is null
    and exists (
        select 1
        from trueup.vocabularies as vo
        where vo.vocabulary = 'call_status' and vo.value = c.status and vo.means in ('ended', 'analyzed')
    );
