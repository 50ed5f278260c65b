-- call_stuck_ongoing
--
-- invariant:   a call does not stay registered or ongoing for longer than a call can last
-- severity:    warning
-- entity:      call
-- changes:     calls.id, time
-- population:  calls where deleted_at is null
-- prevented:   none: the event that ends a call was lost, and no write tells so
-- repair:      evidence
-- cost:        calls that have not ended and began long ago, by calls_open_idx; one probe of
--              vocabularies for each status outside its vocabulary
--
-- The setting ongoing_limit says how long. A synonym counts as the word it means
-- (in_progress is ongoing), in any case and spacing: a stuck call is stuck in any
-- spelling, and mending the spelling is not what makes it so.

create or replace view trueup.call_stuck_ongoing as
select
    c.company_id,
    'call' as entity_type,
    c.id as entity_id,
    'still under way, long after it began' as description,
    jsonb_build_object('status', c.status, 'started_at', coalesce(c.started_at, c.created_at)) as evidence
from public.calls as c
where
    c.deleted_at is null
    -- in the words of calls_open_idx
    and c.status not in ('ended', 'analyzed', 'failed')
    and case
        when c.status = any((select trueup.vocabulary_values('call_status'))::text[]) then c.status
        else trueup.vocabulary_value('call_status', c.status)
    end in ('registered', 'ongoing')
    and coalesce(c.started_at, c.created_at)
    < now() - (select st.value::interval from trueup.settings as st where st.name = 'ongoing_limit');
