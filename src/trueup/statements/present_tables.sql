-- which of these tables of ours are there, in the order given
select n.name
from unnest(%(names)s::text[]) with ordinality as n (name, position)
where to_regclass('trueup.' || n.name) is not null
order by n.position;
