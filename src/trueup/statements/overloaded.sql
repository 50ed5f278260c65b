-- functions of ours that are there more than once, with other parameters: files have one of each name
select 'trueup.' || p.proname as identity
from pg_catalog.pg_proc as p
where p.pronamespace = 'trueup'::regnamespace and 'trueup.' || p.proname = any(%(names)s::text[])
group by p.proname
having count(*) > 1
order by p.proname;
