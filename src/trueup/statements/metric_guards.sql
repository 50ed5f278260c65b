select
    g.name as guard,
    m.mode,
    (g.mode = m.mode)::integer as guard_mode
from trueup.guards as g
cross join (
    values ('off'), ('observe'), ('enforce')
) as m (mode)
order by g.name, m.mode;
