-- how runs will read the population of each check, and repairs call its function
select
    cp.check_name,
    'population' as part,
    format('select from %%s where %%s', cp.table_name, cp.predicate) as query
from trueup.check_populations as cp
where cp.check_name = any(%(names)s::text[]) and cp.predicate <> 'true'
union all
select
    cp.check_name,
    'repair' as part,
    format(
        'select (r).outcome, (r).reason, (r).evidence from trueup.%%I(null::%%s) as r',
        'repair_' || cp.check_name,
        cp.key_type
    ) as query
from trueup.check_populations as cp
inner join pg_catalog.pg_proc as p on p.proname = 'repair_' || cp.check_name
where cp.check_name = any(%(names)s::text[]) and p.pronamespace = 'trueup'::regnamespace
order by 1, 2, 3;
