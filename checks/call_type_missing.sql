-- call_type_missing
--
-- invariant:   a call that has ended says what kind of call it was
-- severity:    info
-- entity:      call
-- changes:     calls.id, trueup.webhook_events.object_id via retell_call_id
-- population:  calls where deleted_at is null
-- prevented:   fill calls_fill_type
-- repair:      evidence
-- cost:        one pass over calls; of those without call_type, one probe of vocabularies for each status
--              outside its vocabulary, one of webhook_events for each call still under way
--
-- Ended in any spelling: a synonym of the vocabulary counts as the word it means. Ended
-- too is a call that is still under way by its status although the provider told its
-- end: its call_type is missing now. Were it listed only when call_stuck_ongoing is
-- mended, that repair would seem to cause this violation, and be undone.

create or replace view trueup.call_type_missing as
select
    c.company_id,
    'call' as entity_type,
    c.id as entity_id,
    'ended without a call_type' as description,
    jsonb_build_object('status', c.status) as evidence
from public.calls as c
cross join lateral (
    select
        case
            when c.status = any((select trueup.vocabulary_values('call_status'))::text[]) then c.status
            else trueup.vocabulary_value('call_status', c.status)
        end as status
) as meant
where
    c.call_type is null
    and c.deleted_at is null
    and case
        when meant.status in ('registered', 'ongoing')
            then trueup.provider_call_end(c.company_id, c.retell_call_id, c.metadata) is not null
        else meant.status in ('ended', 'analyzed')
    end;
