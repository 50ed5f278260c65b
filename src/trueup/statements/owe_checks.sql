-- what these checks rest on is not what it was: the next pass evaluates them in full. One that owes it
-- already keeps its reason
update trueup.checks as ch
set
    owes_full = coalesce(ch.owes_full, 'what it rests on has changed'),
    definition_changed_at = clock_timestamp()
where ch.is_active and ch.name = any(%(names)s::text[]);
