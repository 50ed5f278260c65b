select
    g.name,
    g.mode,
    g.changed_at,
    g.changed_by,
    g.severity,
    g.invariant,
    g.open_alerts,
    g.companies
from trueup.console_guards as g
order by g.name;
