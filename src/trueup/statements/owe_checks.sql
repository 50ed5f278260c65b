-- what these checks rest on is not what it was: the next pass evaluates them in full. One that owes it
-- already keeps its reason
update trueup.checks as ch
set
    owes_full = coalesce(ch.owes_full, 'what it rests on has changed'),
    -- as when they are registered: later than all that a run may have seen
    definition_changed_at = greatest(
        clock_timestamp(),
        (select max(other.definition_changed_at) from trueup.checks as other) + interval '1 microsecond'
    )
where ch.is_active and ch.name = any(%(names)s::text[]);
