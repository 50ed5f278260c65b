select
    v.company_id,
    v.population,
    v.wrong,
    v.rate
from trueup.consistency_now as v;
