select t.name
from trueup.tables as t
where to_regclass('trueup.' || quote_ident(t.name)) is null
order by t.name;
