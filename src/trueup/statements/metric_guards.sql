select
    g.name as guard,
    m.mode,
    (g.mode = m.mode)::integer as guard_mode,
    (
        select count(*)
        from trueup.guard_companies as gc
        where gc.guard = g.name and gc.mode = m.mode and g.mode <> 'off'
    ) as guard_companies
from trueup.guards as g
cross join (
    values ('off'), ('observe'), ('enforce')
) as m (mode)
order by g.name, m.mode;
