-- triggers that we deployed, be they there or not
select o.identity
from trueup.objects as o
where o.kind = 'trigger'
order by o.identity;
