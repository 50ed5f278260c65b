-- the checks of the pack that the database was migrated with, the layer's own left out
select ch.name
from trueup.checks as ch
where ch.is_active and not ch.is_core
order by ch.name;
