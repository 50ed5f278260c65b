select rr.name
from trueup.retention_rules as rr
order by rr.position, rr.name;
