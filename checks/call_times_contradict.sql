-- call_times_contradict
--
-- invariant:   a call ends after it started, and its duration is the time between
-- severity:    warning
-- entity:      call
-- changes:     calls.id
-- population:  calls where started_at is not null and ended_at is not null and deleted_at is null
-- prevented:   constraint calls_times_agree; fill calls_fill_duration
-- repair:      automatic
-- cost:        suspect calls by calls_suspect_idx
--
-- The duration may be off by a second: providers round. A call that starts or ends at infinity
-- has none.

create or replace view trueup.call_times_contradict as
select
    c.company_id,
    'call' as entity_type,
    c.id as entity_id,
    case
        when c.ended_at < c.started_at then 'ended before it started'
        when not isfinite(c.started_at) or not isfinite(c.ended_at) then 'has a duration, but no start or no end'
        else 'duration_ms is not the time between start and end'
    end as description,
    jsonb_build_object(
        'started_at', c.started_at, 'ended_at', c.ended_at, 'duration_ms', c.duration_ms
    ) as evidence
from trueup.suspect_calls as c
where
    c.ended_at < c.started_at
    or case
        when isfinite(c.started_at) and isfinite(c.ended_at)
            then abs(extract(epoch from c.ended_at - c.started_at) * 1000 - c.duration_ms) > 1000
        else num_nulls(c.started_at, c.ended_at, c.duration_ms) = 0
    end;
