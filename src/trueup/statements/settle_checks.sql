-- why each check owes a full evaluation after this run, or NULL; one whose redefinition the run could not see
-- yet owes it anew
update trueup.checks as ch
set owes_full = s.reason
from unnest(%(names)s::text[], %(reasons)s::text[]) as s (name, reason)
where
    ch.name = s.name
    and ch.owes_full is distinct from s.reason
    and (s.reason is not null or ch.definition_changed_at <= %(defined_at)s);
