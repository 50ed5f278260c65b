-- why each check owes a full evaluation after this run, or NULL; one that was redefined meanwhile owes it anew
update trueup.checks as ch
set owes_full = s.reason
from unnest(%(names)s::text[], %(reasons)s::text[]) as s (name, reason)
where
    ch.name = s.name
    and ch.owes_full is distinct from s.reason
    and (s.reason is not null or ch.definition_changed_at <= %(taken_at)s);
