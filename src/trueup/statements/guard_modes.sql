select g.name, g.mode
from trueup.guards as g
order by g.name;
