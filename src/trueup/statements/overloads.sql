-- a function of ours as a drop must name it, each with its parameters
select format('trueup.%%I(%%s)', p.proname, pg_get_function_identity_arguments(p.oid))
from pg_catalog.pg_proc as p
where p.pronamespace = to_regnamespace('trueup') and 'trueup.' || p.proname = %(identity)s
order by p.oid;
